package proxy

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/regate/regate/internal/connlimit"
	"github.com/regate/regate/proxy/upstream"
)

// TestTooManyRequests has requests wait in the registry, and the next one be
// told; others, and that one later, go on.
func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]setup{
		"of a registry": {config: upstream.Config{MaxRequests: 2}},
		"of the gate":   {requests: atMost(2)},
	} {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, http2 bool) {
				s.http2 = http2
				crowd(t, s)
			})
		})
	}
}

func atMost(requests int) *connlimit.Limiter {
	return connlimit.New(connlimit.Limits{Connections: requests}, connlimit.Deps{})
}

// crowd expects two requests to be the most.
func crowd(t *testing.T, s setup) {
	end := make(chan struct{})
	g := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		if r.Method == http.MethodGet {
			<-end
		}
	}, s)
	var held []*http.Response
	for range 2 {
		held = append(held, g.get(t))
	}
	res := g.get(t)
	body, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if want := `{"errors":[{"code":"TOOMANYREQUESTS","message":"too many requests at once, try again"}]}`; res.StatusCode != 429 || string(body) != want || res.Header.Get("Retry-After") != "1" {
		t.Errorf("the third one: %s %s, Retry-After %q", res.Status, body, res.Header.Get("Retry-After"))
	}
	if n := len(g.requests()); n != 2 {
		t.Errorf("the registry has seen %d requests", n)
	}
	close(end)
	for _, res := range held {
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != 200 {
			t.Errorf("one within the limit: %s, %v", res.Status, err)
		}
		_ = res.Body.Close()
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) { // the gate is done soon after the client
		res, _, _ := g.do(t, call{method: "HEAD", path: blobs + someDigest, auth: bearer("ann", everything)})
		if res.StatusCode == 200 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("afterwards: %s", res.Status)
		}
	}
}

// get returns when an answer has begun.
func (g *rig) get(t *testing.T) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.URL+blobs+someDigest, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", bearer("ann", everything))
	res, err := g.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return res
}
