package gate

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/acme"
	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/state"
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

// verbose is what /readyz?verbose says: a gate whose state is away is as ready.
func (p *process) verbose(t *testing.T) string {
	t.Helper()
	w := httptest.NewRecorder()
	edge.Handler(p.serveReady).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz?verbose", nil))
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), "ready\n") {
		t.Errorf("%d %s, want that it is ready", w.Code, w.Body)
	}
	return w.Body.String()
}

var stateLineTests = []struct {
	trouble state.Trouble
	want    string
}{
	{state.Trouble{Err: errors.New("connection refused"), Advice: "Look at it."},
		"state: away for 1m30s, since 2026-12-01T02:03:04Z\n  error: connection refused\n  advice: Look at it. Pulls, "},
	{state.Trouble{Err: errors.New("OOM command not allowed"), Advice: "Raise maxmemory.", Answers: true},
		"state: answers, and does not do what it is asked, for 1m30s, since 2026-12-01T02:03:04Z\n  error: OOM command not allowed\n  advice: Raise maxmemory. Pulls, "},
}

func TestStateLine(t *testing.T) {
	since := time.Date(2026, 12, 1, 2, 3, 4, 0, time.UTC)
	for _, tt := range stateLineTests {
		tt.trouble.Since = since
		if got := stateLine(tt.trouble, since.Add(90*time.Second)); !strings.HasPrefix(got, tt.want) {
			t.Errorf("stateLine(%+v) = %q, want %q", tt.trouble, got, tt.want)
		}
	}
}

// A troubled store knows what is wrong with it before anybody looks.
type troubled struct {
	state.Store
	now *state.Trouble
}

func (t troubled) Trouble() *state.Trouble { return t.now }

// TestReadyTellsAtOnce what the engine knows, and so does the metric.
func TestReadyTellsAtOnce(t *testing.T) {
	t.Parallel()
	p := &process{certs: pendingManager(t, "a.example.com")}
	p.store = troubled{now: &state.Trouble{Since: time.Now(), Err: errors.New("OOM command not allowed"), Answers: true}}
	if text := p.verbose(t); !strings.Contains(text, "state: answers, and does not do") || p.trouble() == nil {
		t.Errorf("it says %s", text)
	}
	p.store = troubled{}
	if text := p.verbose(t); strings.Contains(text, "state: ") || p.trouble() != nil {
		t.Errorf("it says %s", text)
	}
}
