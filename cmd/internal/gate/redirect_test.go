package gate

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestRedirectToTheGateItself: a registry leads to another name of the gate than
// the one that the client has.
func TestRedirectToTheGateItself(t *testing.T) {
	t.Parallel()
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, port, _ := strings.Cut(r.Header.Get("X-Forwarded-Host"), ":")
		w.Header().Set("Location", "https://hub.example:"+port+r.URL.Path)
		w.WriteHeader(http.StatusTemporaryRedirect)
	}))
	t.Cleanup(registry.Close)
	file := changed(t, config(t, registry.URL, ""), "hosts: [127.0.0.1]", "hosts: [127.0.0.1, hub.example]")
	file = changed(t, file, "registries: {main: {", `registries: {main: {redirects: {mode: follow, hosts: ["s3.example"]}, `)
	g := start(t, file)
	status, body, _ := g.get("https", "/v2/team/app/blobs/sha256:"+strings.Repeat("0", 64), "Authorization", basic)
	if status != http.StatusBadGateway {
		t.Errorf("%d %s, want 502", status, body)
	}
	g.until("the reason in the log", func() bool { return g.logged("leads back to the gate") })
}
