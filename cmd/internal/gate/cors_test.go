package gate

import (
	"net/http"
	"testing"
)

// TestPagesOfOtherSites: a page that the operator names may read what registry
// and token service answer, refusals among it, and nothing else.
func TestPagesOfOtherSites(t *testing.T) {
	t.Parallel()
	path := changed(t, config(t, registry(t, "main").URL, ""), "drain: 10s", `drain: 10s, cors: {origins: ["https://ui.test"]}`)
	g := start(t, path)
	for _, tt := range []struct {
		path, origin, want string
	}{
		{"/v2/", "https://ui.test", "https://ui.test"},
		{"/v2/", "https://evil.test", ""},
		{"/auth", "https://ui.test", "https://ui.test"},
		{"/auth/token", "https://ui.test", "https://ui.test"},
		{"/", "https://ui.test", ""},
		{"/healthz", "https://ui.test", ""},
	} {
		status, _, header := g.get("https", tt.path, "Origin", tt.origin)
		if got := header.Get("Access-Control-Allow-Origin"); got != tt.want {
			t.Errorf("%s for %s: %d, allowed is %q, want %q", tt.path, tt.origin, status, got, tt.want)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, "https://"+g.Addrs["https"]+"/v2/a/manifests/b", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", "https://ui.test")
	r.Header.Set("Access-Control-Request-Method", "DELETE")
	for origin, want := range map[string]int{"https://ui.test": 204, "https://evil.test": 405} {
		r.Header.Set("Origin", origin)
		res, err := g.https.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("preflight of %s: %d, want %d", origin, res.StatusCode, want)
		}
	}
}
