package gate

import (
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/regate/regate/acme"
	"github.com/regate/regate/acme/acmestub"
)

// Each kind of client gets what it can show.
func TestWaitingPageForEachClient(t *testing.T) {
	t.Parallel()
	ca := acmestub.New(t)
	ca.Fail("new-order", enough, acmestub.Problem{Status: 400, Type: "rejectedIdentifier", Detail: "<b>no</b>"})
	g := startPending(t, acmeConfig(t, ca))
	const chromium = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for _, tt := range []struct{ path, host, accept, kind, want string }{
		{"/", "a.example.com", chromium, "text/html; charset=utf-8", "<code>refused</code>"},
		{"/", "A.EXAMPLE.COM:80", chromium, "text/html; charset=utf-8", "<h1>a.example.com has no certificate yet</h1>"},
		{"/x", "a.example.com", "*/*", "text/plain; charset=utf-8", "a.example.com has no certificate yet, so https does not work there.\n\nThe certificate authority does not accept"},
		{"/v2/", "a.example.com", "*/*", "application/json", `{"errors":[{"code":"UNAVAILABLE","message":"a.example.com has no certificate yet: Use a name`},
	} {
		status, body, header := g.get("http", tt.path, "Host", tt.host, "Accept", tt.accept)
		if status != http.StatusServiceUnavailable || header.Get("Content-Type") != tt.kind || !strings.Contains(body, tt.want) {
			t.Errorf("GET %s, Accept %s: %d %s\n%s", tt.path, tt.accept, status, header.Get("Content-Type"), body)
		}
		if header.Get("Retry-After") != "60" || header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Cache-Control") != "no-store" {
			t.Errorf("GET %s, Accept %s: header %v", tt.path, tt.accept, header)
		}
	}
	for _, host := range []string{"b.example.com", "a.example.com.evil.example", "127.0.0.1", "<b>"} {
		if status, body, _ := g.get("http", "/", "Host", host, "Accept", chromium); status == http.StatusServiceUnavailable || strings.Contains(body, "certificate") {
			t.Errorf("for %s, which is no host: %d %s", host, status, body)
		}
	}
}

// What stands in the page came from outside in the end.
func TestWaitingPageEscapes(t *testing.T) {
	t.Parallel()
	var page strings.Builder
	n := noticeOf("<script>alert(1)</script>", acme.Trouble{Reason: "<i>", Advice: `</dd><img src=x onerror="alert(1)">`})
	if err := waitingHTML.Execute(&page, n); err != nil {
		t.Fatal(err)
	}
	doc, err := html.Parse(strings.NewReader(page.String()))
	if err != nil {
		t.Fatal(err)
	}
	for node := range doc.Descendants() {
		if node.Type == html.ElementNode && (node.Data == "script" || node.Data == "img" || node.Data == "i" || node.Data == "link") {
			t.Errorf("the page has <%s>", node.Data)
		}
	}
	for _, outside := range []string{"http://", "https://", "url(", "src="} {
		if strings.Contains(strings.ReplaceAll(page.String(), "src=x", ""), outside) {
			t.Errorf("the page loads something: %s", outside)
		}
	}
}

// A host that a wildcard of the configuration stands for is called by its own
// name, and one that the configuration has as well by what is known of it.
func TestWaitingPageOfAWildcard(t *testing.T) {
	t.Parallel()
	g := &generation{certs: pendingManager(t, "*.example.com", "a.example.com")}
	for origin, want := range map[string]string{"https://b.example.com:8443": "b.example.com", "https://a.example.com": "a.example.com"} {
		if n, waits := g.waiting(origin); !waits || n.Host != want || !strings.Contains(n.text(), want+" has no certificate") {
			t.Errorf("waiting(%s) = %+v, %v", origin, n, waits)
		}
	}
	if n, waits := g.waiting("https://example.org"); waits {
		t.Errorf("waiting for a foreign host: %+v", n)
	}
}

// pendingManager has no certificates, and is not started.
func pendingManager(t *testing.T, hosts ...string) *acme.Manager {
	t.Helper()
	cfg := acme.Config{Mode: acme.ModeACME, Hosts: hosts}
	cfg.ACME.First.Email = "ops@example.com"
	m, err := acme.New(t.Context(), cfg, acme.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}
