package gate

import (
	"strings"
	"testing"
)

// TestPeopleGetAPage where there is none, and programs an error they can read.
func TestPeopleGetAPage(t *testing.T) {
	t.Parallel()
	const firefox = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	g := start(t, config(t, "http://127.0.0.1:1", ""))
	for _, tt := range []struct {
		path, accept string
		status       int
		page         bool
	}{
		{"/", firefox, 404, true},
		{"/login", firefox, 404, true},
		{"/index.html", firefox, 404, true},
		{"/", "application/json, text/html", 404, false},
		{"/", "*/*", 404, false},
		{"/v2/", firefox, 401, false},
		{"/auth?service=x", firefox, 400, false},
	} {
		status, body, h := g.get("https", tt.path, "Accept", tt.accept)
		page := strings.Contains(body, "<pre>docker login "+g.Addrs["https"]+"</pre>")
		if status != tt.status || page != tt.page || page != strings.HasPrefix(h.Get("Content-Type"), "text/html") || !page && !strings.Contains(body, `"errors"`) {
			t.Errorf("GET %s for %s = %d %v\n%s", tt.path, tt.accept, status, h, body)
		}
	}
}
