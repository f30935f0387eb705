package proxy

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/regate/regate/proxy/upstream"
)

// A page of two names, of which there is more, or an end.
var firstPage = status(200, "application/json", `{"repositories":["a","b"]}`, "Link", `</v2/_catalog?last=b&n=1000>; rel="next"`)

var sourceTests = []struct {
	name      string
	answers   []http.HandlerFunc // one after the other, whichever server is asked
	want      string             // names
	wantError string
	wantAsked int64
}{
	{"one that refuses", []http.HandlerFunc{cut, status(200, "application/json", `{"repositories":["a"]}`)}, "a", "", 2},
	{"one that is not well", []http.HandlerFunc{status(503, "", ""), firstPage, status(502, "", ""), status(200, "application/json", `{"repositories":["c"]}`)}, "a b c", "", 4},
	{"one that breaks off", []http.HandlerFunc{raw("HTTP/1.1 200 OK\nContent-Length: 99\n\n{"), status(200, "application/json", `{"repositories":["a"]}`)}, "a", "", 2},
	{"all that refuse", []http.HandlerFunc{cut, cut, cut, cut}, "", "EOF", 3},
	{"one that turns the gate away", []http.HandlerFunc{status(401, "", "")}, "", "401", 1},
	{"one that talks nonsense", []http.HandlerFunc{status(200, "application/json", "<html>")}, "", "invalid character", 1},
	{"none", []http.HandlerFunc{status(404, "", "")}, "", "", 1},
	{"one that forgets its catalog", []http.HandlerFunc{firstPage, status(404, "", "")}, "", "404", 2},
}

func cut(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// TestCatalogIsTakenFromAnyServer has three servers of a registry.
func TestCatalogIsTakenFromAnyServer(t *testing.T) {
	for _, tt := range sourceTests {
		t.Run(tt.name, func(t *testing.T) {
			var asked atomic.Int64
			var servers []string
			for range 3 {
				s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					tt.answers[asked.Add(1)-1](w, r)
				}))
				t.Cleanup(s.Close)
				servers = append(servers, s.URL)
			}
			pool, err := upstream.New(upstream.Config{Upstreams: servers}, upstream.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(pool.Close)
			var names []string
			last, more := "", true
			for more && err == nil {
				var page []string
				page, more, err = newSource(pool).Page(t.Context(), last)
				if names = append(names, page...); len(names) > 0 {
					last = names[len(names)-1]
				}
			}
			if (err == nil) != (tt.wantError == "") || err != nil && !strings.Contains(err.Error(), tt.wantError) {
				t.Errorf("error %v, want %q", err, tt.wantError)
			}
			if got := strings.Join(names, " "); err == nil && got != tt.want {
				t.Errorf("names %s, want %s", got, tt.want)
			}
			if asked.Load() != tt.wantAsked {
				t.Errorf("%d requests, want %d", asked.Load(), tt.wantAsked)
			}
		})
	}
}
