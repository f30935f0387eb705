package gate

import (
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/authn/static"
)

// visit is a request as a browser sends it, which follows nothing.
func (g *running) visit(method, path string) (*http.Response, string) {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), method, "https://"+g.Addrs["https"]+path, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	res, err := g.https.Transport.RoundTrip(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return res, string(body)
}

const githubAuth = `  github_auth: {client_id: "c", client_secret: "the client secret", organization: acme, github_web_uri: "http://127.0.0.1:1"}
  acl:`

// TestPagesAreThereIfSomebodyCanLogIn: a reload brings them, and another takes
// them away.
func TestPagesAreThereIfSomebodyCanLogIn(t *testing.T) {
	g := start(t, config(t, "http://127.0.0.1:1", ""))
	is := func(want map[string]int) {
		t.Helper()
		for path, status := range want {
			if res, body := g.visit(http.MethodGet, path); res.StatusCode != status {
				t.Errorf("GET %s = %d, want %d\n%s", path, res.StatusCode, status, body)
			}
		}
	}
	none := map[string]int{"/": 404, "/login": 404, "/tokens": 404, "/github_auth": 404, "/oidc_auth": 404}
	is(none)
	g.edit("  acl:", githubAuth)
	g.reload <- syscall.SIGHUP
	g.until("the pages are there", func() bool {
		res, _ := g.visit(http.MethodGet, "/login")
		return res.StatusCode == http.StatusOK
	})
	is(map[string]int{"/": 302, "/login": 200, "/tokens": 303, "/github_auth": 302, "/oidc_auth": 303, "/logout": 405, "/index.html": 404, "/login/": 404})
	res, page := g.visit(http.MethodGet, "/login")
	if !strings.Contains(page, "Continue with GitHub") || !strings.Contains(page, g.Addrs["https"]) || res.Header.Get("Content-Security-Policy") == "" {
		t.Errorf("GET /login = %v\n%s", res.Header, page)
	}
	res, _ = g.visit(http.MethodGet, "/github_auth")
	to, err := res.Location()
	if err != nil || to.Host != "127.0.0.1:1" || to.Query().Get("redirect_uri") != "https://"+g.Addrs["https"]+"/github_auth" || to.Query().Get("code_challenge_method") != "S256" {
		t.Errorf("the browser is sent to %v, %v", to, err)
	}
	g.edit(githubAuth, "  acl:")
	g.reload <- syscall.SIGHUP
	g.until("the pages are gone", func() bool {
		res, _ := g.visit(http.MethodGet, "/login")
		return res.StatusCode == http.StatusNotFound
	})
	is(none)
}

// TestProvidersOfOneKind: each has a call-back of its own.
func TestProvidersOfOneKind(t *testing.T) {
	g := start(t, changed(t, config(t, "http://127.0.0.1:1", ""), "  acl:", `  oidc_auth:
    - {name: staff, issuer: "http://127.0.0.1:1", client_id: c, client_secret: "the client secret"}
    - {name: guests, title: Guests, issuer: "http://127.0.0.1:2", client_id: c, client_secret: "the client secret"}
  acl:`))
	_, page := g.visit(http.MethodGet, "/login")
	for _, want := range []string{`href="/oidc_auth/staff"`, `href="/oidc_auth/guests"`, "Continue with Guests", "Continue with 127.0.0.1:1"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s on /login\n%s", want, page)
		}
	}
	if res, _ := g.visit(http.MethodGet, "/oidc_auth"); res.Header.Get("Location") != "/login" {
		t.Errorf("GET /oidc_auth = %d to %q", res.StatusCode, res.Header.Get("Location"))
	}
	res, page := g.visit(http.MethodGet, "/oidc_auth/guests") // discovery is lazy, and nobody is there
	if res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(page, "Guests cannot be reached now") {
		t.Errorf("GET /oidc_auth/guests = %d\n%s", res.StatusCode, page)
	}
}

// TestHolderOfAName is for the log of logins that are refused for it.
func TestHolderOfAName(t *testing.T) {
	one := static.New(static.Config{"one": {AnyPassword: true}}, nil)
	two := static.New(static.Config{"one": {AnyPassword: true}, "two": {AnyPassword: true}}, nil)
	h := holders{authn.Chain{one, two}, []string{"users", "htpasswd_file"}}
	for account, want := range map[string]string{"one": "users", "two": "htpasswd_file", "three": ""} {
		if got := h.holder(t.Context(), account); got != want {
			t.Errorf("holder(%q) = %q, want %q", account, got, want)
		}
	}
}

// TestBadTokensLeadToThePages where there are some.
func TestBadTokensLeadToThePages(t *testing.T) {
	t.Parallel()
	for more, want := range map[string]bool{"  acl:": false, githubAuth: true} {
		g := start(t, changed(t, config(t, "http://127.0.0.1:1", ""), "  acl:", more))
		for _, path := range []string{"/auth", "/v2/"} {
			status, body, _ := g.get("https", path, "Authorization", basicOf("dev", "rgt_x"))
			if status != 401 || strings.Contains(body, "see https://"+g.Addrs["https"]+"/tokens") != want {
				t.Errorf("GET %s = %d %s", path, status, body)
			}
		}
	}
}
