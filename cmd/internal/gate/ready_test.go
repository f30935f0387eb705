package gate

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/acme"
	"github.com/regate/regate/internal/edge"
)

var lineTests = []struct {
	status acme.Status
	want   string
}{
	{acme.Status{Host: "a", NotAfter: time.Date(2026, 12, 1, 2, 3, 4, 0, time.UTC)}, "a: certificate until 2026-12-01T02:03:04Z\n"},
	{acme.Status{Host: "a", Pending: true}, "a: no certificate yet\n"},
	{acme.Status{Host: "a", Pending: true, Trouble: acme.Trouble{Reason: acme.ReasonCAA, Detail: "CAA prevents", Advice: "Add one."}},
		"a: no certificate (caa)\n  error: CAA prevents\n  advice: Add one.\n"},
	{acme.Status{Host: "a", NotAfter: time.Date(2026, 12, 1, 2, 3, 4, 0, time.UTC), Trouble: acme.Trouble{Reason: acme.ReasonCADown, Detail: "down", Advice: "Wait."}},
		"a: certificate until 2026-12-01T02:03:04Z, and no newer one (ca_down)\n  error: down\n  advice: Wait.\n"},
}

func TestReadyLine(t *testing.T) {
	for _, tt := range lineTests {
		if got := line(tt.status); got != tt.want {
			t.Errorf("line(%+v) = %q, want %q", tt.status, got, tt.want)
		}
	}
}

// The list is there also while the gate drains, and is no sign of readiness.
func TestReadyVerboseWhileDraining(t *testing.T) {
	t.Parallel()
	p := &process{certs: pendingManager(t, "a.example.com")}
	h := edge.Handler(p.serveReady)
	for _, tt := range []struct {
		drains bool
		want   int
		begins string
	}{{false, http.StatusOK, "ready\na.example.com: "}, {true, http.StatusServiceUnavailable, "draining\na.example.com: "}} {
		if tt.drains {
			p.draining.Start()
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz?verbose", nil))
		if w.Code != tt.want || !strings.HasPrefix(w.Body.String(), tt.begins) {
			t.Errorf("draining %v: %d %s", tt.drains, w.Code, w.Body)
		}
	}
}
