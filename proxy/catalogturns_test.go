package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy/upstream"
)

// TestOneShelfForAWildcard: whoever makes up hosts that a wildcard lets in does
// not have the names put in order for each.
func TestOneShelfForAWildcard(t *testing.T) {
	g := newGateway(t, map[string]upstream.Config{
		"main": {Upstreams: []string{serveCatalog(t, "a", "b", "secret/c")}},
		"own":  {Upstreams: []string{serveCatalog(t, "x")}},
	}, setup{catalog: Catalog{Lister: seers{}}, routes: []RouteConfig{
		{Host: "own.example.test", Registry: "own", Repository: "own/**", Strip: "own"},
		{Host: "*.example.test", Registry: "main", Repository: "r/**", Strip: "r"},
		{Registry: "main", Repository: "r/**", Strip: "r"},
	}})
	t.Cleanup(g.Close)
	req, err := oci.Parse("GET", "/v2/_catalog")
	if err != nil {
		t.Fatal(err)
	}
	list := func(host string) []string {
		at, err := g.routes.Find(host, req)
		if err != nil {
			t.Fatal(err)
		}
		names, err := g.catalog.names(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	for _, hosts := range [][]string{{"%d.example.test", "z%d.Example.Test:443"}, {"%d.elsewhere.test", "10.0.0.%d", "a.b%d.example.test"}} {
		first := list(fmt.Sprintf(hosts[0], 0))
		if len(first) != 3 {
			t.Fatalf("%s: %v", hosts[0], first)
		}
		for i := range 50 {
			host := fmt.Sprintf(hosts[i%len(hosts)], i)
			if got := list(host); &got[0] != &first[0] {
				t.Fatalf("%s has names of its own: %v", host, got)
			}
		}
	}
	if got := list("own.example.test"); fmt.Sprint(got) != "[own/x r/a r/b r/secret/c]" {
		t.Errorf("a host with routes of its own: %v", got)
	}
}

// TestListingTakesTurns has rules that take their time, and more clients than
// processors.
func TestListingTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns()
		end := make(chan struct{})
		for range runtime.GOMAXPROCS(0) {
			go func() { _ = turns.do(t.Context(), func() error { <-end; return nil }) }()
		}
		synctest.Wait()
		work := func() error { t.Error("there were more turns than processors"); return nil }
		var e *oci.Error
		if err := turns.do(t.Context(), work); !errors.As(err, &e) || e.Kind != oci.TooMany || e.Header.Get("Retry-After") == "" {
			t.Errorf("who waits too long is told %v", err)
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if err := turns.do(gone, work); !errors.Is(err, context.Canceled) {
			t.Errorf("who has left is told %v", err)
		}
		close(end)
		done := false
		if err := turns.do(t.Context(), func() error { done = true; return errBusy }); !done || err != errBusy {
			t.Errorf("after the others: %v, %v", done, err)
		}
	})
}

// TestWhoListsKeepsNobodyFromPulling has a registry that takes its time for its
// catalog, and as many clients that wait for it as may.
func TestWhoListsKeepsNobodyFromPulling(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	g := newRig(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/_catalog" {
			<-end
		}
	}, setup{http2: true, config: upstream.Config{MaxRequests: 1}, requests: atMost(1), catalog: Catalog{Lister: seers{}}})
	list := call{path: "/v2/_catalog", auth: bearer("everything", "registry:catalog:*")}
	answers := make(chan *http.Response, mostWaiting+1)
	for range cap(answers) {
		go func() {
			res, _, _ := g.do(t, list)
			answers <- res
		}()
	}
	refused := <-answers // the first to be answered, while nobody else is
	if refused == nil || refused.StatusCode != 429 || refused.Header.Get("Retry-After") != "1" {
		t.Errorf("beyond the limit: %+v", refused)
	}
	if res, body, _ := g.do(t, call{path: blobs + someDigest, auth: bearer("ann", everything)}); res.StatusCode != 200 {
		t.Errorf("a pull: %d %s", res.StatusCode, body)
	}
	close(end)
	for range cap(answers) - 1 {
		<-answers
	}
}
