package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// TestLocationsArePublic sets up registries that say all kinds of things about
// where they are, as they do in the field. Clients are sent to the gate alone.
func TestLocationsArePublic(t *testing.T) {
	t.Parallel()
	for _, v := range testbed.Versions {
		for _, tt := range []struct{ name, http, path string }{
			{"its own address", "", ""},
			{"another host", "  host: http://inside.test:5000\n", ""},
			{"another scheme and port", "  host: https://gate.test:1\n", ""},
			{"relative", "  relativeurls: true\n", ""},
			{"a prefix", "  prefix: /store/\n", "/store"},
		} {
			t.Run(string(v)+"/"+tt.name, func(t *testing.T) {
				s := &site{gate: testbed.NewGate(t, testbed.NewCA(t))}
				s.registry = testbed.StartRegistry(t, testbed.RegistryConfig{Version: v, HTTP: tt.http, Path: tt.path})
				s.gate.Configure(t, fmt.Sprintf("registries: {main: {upstreams: [%q]}}%s", s.registry.URL+tt.path, rules(t)))
				s.gate.Start(t)
				s.locations(t)
			})
		}
	}
}

// locations uploads by way of each Location that it is given, and pages through
// the catalog by way of each Link.
func (s *site) locations(t *testing.T) {
	t.Helper()
	token := s.token(t, "admin", adminPassword, "repository:team/a:pull,push")
	begun := s.do(t, "POST", s.gate.URL+"/v2/team/a/blobs/uploads/", token, nil)
	s.public(t, begun, "/v2/team/a/blobs/uploads/")
	content := noise(10 << 10)
	sent := s.do(t, "PATCH", begun.Header.Get("Location"), token, content)
	s.public(t, sent, "/v2/team/a/blobs/uploads/")
	glue := "?"
	if strings.Contains(sent.Header.Get("Location"), "?") {
		glue = "&"
	}
	done := s.do(t, "PUT", sent.Header.Get("Location")+glue+"digest="+digestOf(content), token, nil)
	if done.StatusCode != 201 {
		t.Fatalf("the upload ended with %s", done.Status)
	}
	s.public(t, done, "/v2/team/a/blobs/"+digestOf(content))

	s.seed(t, "team/a", "team/b") // 3.x lists only what has a manifest
	catalog := s.token(t, "admin", adminPassword, "registry:catalog:*")
	page := s.do(t, "GET", s.gate.URL+"/v2/_catalog?n=1", catalog, nil)
	link, _, _ := strings.Cut(strings.TrimPrefix(page.Header.Get("Link"), "<"), ">")
	if !strings.HasPrefix(link, "/v2/_catalog?") && !strings.HasPrefix(link, s.gate.URL+"/v2/_catalog?") {
		t.Errorf("Link = %q, want one to the gate", page.Header.Get("Link"))
	}
}

// public checks that a reply sends the client to the gate.
func (s *site) public(t *testing.T, res *http.Response, path string) {
	t.Helper()
	if got, want := res.Header.Get("Location"), s.gate.URL+path; !strings.HasPrefix(got, want) {
		t.Errorf("%s: Location = %q, want %q…", res.Status, got, want)
	}
}
