package browser

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/idp"
	"github.com/regate/regate/authsvc/secret"
)

func TestLogInMakeUseRevoke(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	page := b.get("/login").Body.String()
	for _, want := range []string{host, `href="/github_auth"`, "Continue with GitHub", `href="/oidc_auth/okta"`, "Continue with okta.test"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q on /login:\n%s", want, page)
		}
	}
	sent := b.start("/github_auth")
	start := r.github.starts[0]
	if sent.Get("redirect_uri") != "https://"+host+"/github_auth" || len(start.State) != 43 || len(start.Verifier) != 43 || len(start.Nonce) != 43 {
		t.Errorf("the provider is sent %v for %+v", sent, start)
	}
	if start.State == start.Nonce || start.State == start.Verifier || start.Nonce == start.Verifier {
		t.Errorf("secrets of a login are the same: %+v", start)
	}
	w := b.comeBack("/github_auth", sent)
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/tokens" {
		t.Fatalf("login = %d to %q", w.Code, w.Header().Get("Location"))
	}
	want := idp.Return{Redirect: start.Redirect, Code: "good", Nonce: start.Nonce, Verifier: start.Verifier}
	if got := r.github.returns[0]; got != want {
		t.Errorf("Exchange(%+v), want %+v", got, want)
	}
	if _, left := b.cookies[loginCookie]; left {
		t.Error("the cookie of the login is left")
	}
	if w := b.get("/login"); w.Header().Get("Location") != "/tokens" {
		t.Errorf("/login of somebody who is logged in = %d to %q", w.Code, w.Header().Get("Location"))
	}

	text := b.makeToken("my laptop")
	tok, err := r.book.Verify(t.Context(), text)
	if err != nil || tok.Owner != "alice" || tok.Method != "github_auth" || tok.Name != "my laptop" || !tok.Expires.Equal(r.clock.Now().Add(30*24*time.Hour)) {
		t.Errorf("token = %+v, %v", tok, err)
	}
	page = b.get("/tokens").Body.String()
	if strings.Contains(page, text.Reveal()) || !strings.Contains(page, "my laptop") {
		t.Errorf("the token is shown twice, or not in the list:\n%s", page)
	}
	if w := b.post("/tokens", b.form("do", "revoke", "id", tok.ID)); w.Code != http.StatusSeeOther {
		t.Errorf("revoke = %d", w.Code)
	}
	if _, err := r.book.Verify(t.Context(), text); !errors.Is(err, secret.ErrUnknown) {
		t.Errorf("Verify() of what was revoked = %v", err)
	}
	b.makeToken("one")
	b.makeToken("two")
	b.post("/tokens", b.form("do", "revoke-all"))
	if got := r.tokens(); got != 0 {
		t.Errorf("%d tokens are left of all", got)
	}
	for _, message := range []string{"logged in", "token made", "token revoked", "tokens revoked"} {
		if !r.logged(message) {
			t.Errorf("no line %q", message)
		}
	}
}

// TestNothingSecretIsLogged looks for what nobody may find in the log.
func TestNothingSecretIsLogged(t *testing.T) {
	r := newRig(t)
	b := r.logIn()
	text := b.makeToken("one").Reveal()
	secrets := []string{text, text[20:], r.github.starts[0].State, r.github.starts[0].Nonce, r.github.starts[0].Verifier, "good", "refresh-1"}
	for _, c := range b.cookies {
		secrets = append(secrets, c.Value)
	}
	for _, line := range r.logs.All() {
		for key, v := range line.ContextMap() {
			for _, s := range secrets {
				if str, ok := v.(string); ok && strings.Contains(str, s) {
					t.Errorf("%s: %s = %q", line.Message, key, str)
				}
			}
		}
	}
}

func TestPagesOfPaths(t *testing.T) {
	r := newRig(t)
	for _, tt := range []struct {
		method, target string
		status         int
		location       string
	}{
		{"GET", "/", 302, "/login"},
		{"GET", "/tokens", 303, "/login"},
		{"HEAD", "/login", 200, ""},
		{"POST", "/login", 405, ""},
		{"POST", "/", 405, ""},
		{"PUT", "/tokens", 405, ""},
		{"GET", "/logout", 405, ""},
		{"POST", "/logout", 303, "/login"},
		{"POST", "/tokens", 303, "/login"},
		{"POST", "/github_auth", 405, ""},
		{"GET", "/oidc_auth", 303, "/login"}, // there is one with a name
		{"GET", "/gitlab_auth", 303, "/login"},
		{"GET", "/oidc_auth/other", 303, "/login"},
		{"GET", "/github_auth?code=good&state=x", 400, ""},
		{"GET", "/github_auth?%zz", 400, ""},
	} {
		w := r.browser().send(request(tt.method, tt.target, nil))
		if w.Code != tt.status || w.Header().Get("Location") != tt.location || tt.method == "HEAD" && w.Body.Len() > 0 {
			t.Errorf("%s %s = %d to %q\n%s", tt.method, tt.target, w.Code, w.Header().Get("Location"), w.Body)
		}
	}
	for path, want := range map[string]bool{
		"/": true, "/login": true, "/tokens": true, "/logout": true, "/oidc_auth": true, "/oidc_auth/x": true, "/google_auth": true,
		"/v2/": false, "/auth": false, "/tokens/": false, "/oidc_authx": false, "//login": false, "": false,
	} {
		if Owns(path) != want {
			t.Errorf("Owns(%q) = %v", path, !want)
		}
	}
}

// TestMarkupIsText: names and messages come from anywhere.
func TestMarkupIsText(t *testing.T) {
	const markup = `"><img src=x onerror=alert(1)><script>`
	r := newRig(t)
	r.github.person.Account = markup
	b := r.logIn()
	if w := b.post("/tokens", b.form("do", "make", "name", markup, "life", "30d")); w.Code != http.StatusSeeOther {
		t.Fatalf("make = %d\n%s", w.Code, w.Body)
	}
	pages := []string{b.get("/tokens").Body.String()}
	other := r.browser()
	sent := other.start("/github_auth")
	pages = append(pages, other.get("/github_auth?code=%3Cimg%3E&state="+sent.Get("state")).Body.String())
	sent = other.start("/github_auth")
	pages = append(pages, other.get("/github_auth?error=%3Cimg%3E&error_description="+url.QueryEscape(markup)+"&state="+sent.Get("state")).Body.String())
	for _, page := range pages {
		if strings.Contains(page, "<img") || strings.Contains(page, "<script") || strings.Contains(page, "<b>") {
			t.Errorf("markup in\n%s", page)
		}
	}
	if !strings.Contains(pages[1], "The &lt;b&gt;code&lt;/b&gt; is not good.") {
		t.Errorf("no reason on\n%s", pages[1])
	}
}

func TestStateDownOnThePages(t *testing.T) {
	r := newRig(t)
	b := r.logIn()
	r.before["alice"] = errDown
	for _, target := range []string{"/tokens", "/login"} {
		if w := b.get(target); w.Code != http.StatusServiceUnavailable || b.cookies[sessionCookie] == nil {
			t.Errorf("GET %s = %d", target, w.Code)
		}
	}
	other := r.browser()
	if w := other.comeBack("/github_auth", other.start("/github_auth")); w.Code != http.StatusServiceUnavailable {
		t.Errorf("login = %d", w.Code)
	}
}

// TestRecords: each request has one line, with who and what, and the reason of
// a refusal.
func TestRecords(t *testing.T) {
	r := newRig(t)
	b := r.logIn()
	r.logs.TakeAll()
	b.get("/tokens")
	b.get("/github_auth?code=x&state=y")
	lines := r.logs.FilterField(zap.String("op", "pages")).All()
	if len(lines) != 2 {
		t.Fatalf("%d lines", len(lines))
	}
	if got := lines[0].ContextMap(); got["subject"] != "alice" || got["status"] != int64(200) {
		t.Errorf("line %v", got)
	}
	if got := lines[1].ContextMap(); got["status"] != int64(400) || !strings.Contains(got["error"].(string), errNoVisit.Error()) {
		t.Errorf("line %v", got)
	}
}

// TestStyleIsAllowed: the hash in the policy is that of the style on the page.
func TestStyleIsAllowed(t *testing.T) {
	page := newRig(t).browser().get("/login").Body.String()
	_, style, _ := strings.Cut(page, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	if want := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, want) {
		t.Errorf("policy %s, and the style has %s", policy, want)
	}
	for _, bad := range []string{"<script", "javascript:", "onclick", "http://", "https://"} {
		if strings.Contains(strings.ReplaceAll(page, "http://www.w3.org/2000/svg", ""), bad) {
			t.Errorf("%s on the page", bad)
		}
	}
}
