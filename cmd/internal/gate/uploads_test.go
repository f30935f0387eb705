package gate

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// A replica is a server of a registry that has its sessions for itself.
type replica struct {
	*httptest.Server
	mu       sync.Mutex // guards sessions
	sessions map[string]int
}

func newReplica(t *testing.T, name string) *replica {
	t.Helper()
	r := &replica{sessions: make(map[string]int)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if q.Method == http.MethodGet { // a probe
			return
		}
		at := q.URL.Path
		if q.Method == http.MethodPost {
			at += fmt.Sprintf("%s-%d", name, len(r.sessions))
			r.sessions[at] = 0
		}
		if _, known := r.sessions[at]; !known {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		r.sessions[at]++
		w.Header().Set("Location", at)
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(r.Close)
	return r
}

// TestUploadsStayTogether begins uploads at one gate, which is then told to
// read its configuration again, and ends; another goes on with them, at the
// servers where they are, until one is taken out.
func TestUploadsStayTogether(t *testing.T) {
	one, two := newReplica(t, "one"), newReplica(t, "two")
	path := changed(t, config(t, one.URL, ""), fmt.Sprintf("[%q]", one.URL), fmt.Sprintf("[%q, %q], balance: round_robin", one.URL, two.URL))
	g := start(t, path)
	var paths []string
	for range 6 {
		paths = append(paths, g.upload("team/app", basic))
	}
	if len(one.sessions) != 3 || len(two.sessions) != 3 {
		t.Fatalf("%d and %d sessions were begun", len(one.sessions), len(two.sessions))
	}
	goOn := func(g *running) {
		t.Helper()
		for i, at := range paths {
			status, body, next := g.write(http.MethodPatch, at, basic)
			if status != http.StatusAccepted {
				t.Fatalf("PATCH %s: %d %s", at, status, body)
			}
			paths[i] = next
		}
	}
	goOn(g)
	g.reload <- syscall.SIGHUP
	g.until("a reload", func() bool { return g.logged("reloaded") })
	goOn(g)
	g.stop()
	g.ends()

	g = start(t, path)
	goOn(g)
	g.edit(fmt.Sprintf("[%q, %q], balance: round_robin", one.URL, two.URL), fmt.Sprintf("[%q]", two.URL))
	g.reload <- syscall.SIGHUP
	lost := ""
	for _, at := range paths {
		if strings.Contains(at, "one-") {
			lost = at
		}
	}
	g.until("the upload of who was taken out is unknown", func() bool {
		status, body, _ := g.write(http.MethodPatch, lost, basic)
		return status == http.StatusNotFound && strings.Contains(body, "BLOB_UPLOAD")
	})
	for _, at := range paths {
		status, body, _ := g.write(http.MethodPatch, at, basic)
		if want := map[bool]int{true: http.StatusNotFound, false: http.StatusAccepted}[strings.Contains(at, "one-")]; status != want {
			t.Errorf("PATCH %s: %d %s, want %d", at, status, body, want)
		}
	}
	if status, body, _ := g.write(http.MethodPatch, strings.Replace(lost, "one-", "two-", 1), basic); status != http.StatusNotFound {
		t.Errorf("another session with the ticket of this one: %d %s", status, body)
	}
}
