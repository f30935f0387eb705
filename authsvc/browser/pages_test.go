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

	"github.com/regate/regate/authsvc/authn"
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

func TestLinesForDocker(t *testing.T) {
	r := newRig(t)
	r.github.person.Account = "team a/o'neil"
	b := r.logIn()
	w := b.post("/tokens", b.form("do", "make", "name", "x", "life", "0"))
	if w.Code != http.StatusSeeOther {
		t.Fatalf("make = %d\n%s", w.Code, w.Body)
	}
	page := strings.NewReplacer("&#39;", "'", "&#43;", "+").Replace(b.get("/tokens").Body.String())
	text := tokenText.FindStringSubmatch(page)[1]
	for _, want := range []string{
		`docker login registry.test -u 'team a/o'\''neil' -p ` + text + "<",
		`docker login registry.test -u 'team a/o'\''neil' --password-stdin<`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no line %s on\n%s", want, page)
		}
	}
}

var quotedTests = []struct{ text, want string }{
	{"alice", "alice"},
	{"alice@example.com", "alice@example.com"},
	{"a+b/c.d-e_f", "a+b/c.d-e_f"},
	{"", "''"},
	{"-p", "'-p'"},
	{"a b", "'a b'"},
	{"$(reboot)", "'$(reboot)'"},
	{"a'b", `'a'\''b'`},
	{"~root", "'~root'"},
	{"ä", "'ä'"},
}

func TestQuoted(t *testing.T) {
	for _, tt := range quotedTests {
		if got := quoted(tt.text); got != tt.want {
			t.Errorf("quoted(%q) = %s, want %s", tt.text, got, tt.want)
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

// TestAttacksOnALogin: in each case the victim's browser has begun a login or
// none, and comes back with what somebody else has made up.
func TestAttacksOnALogin(t *testing.T) {
	tests := []struct {
		name   string
		target func(r *rig, b *browser, sent url.Values) string
	}{
		{"another state", func(_ *rig, _ *browser, sent url.Values) string {
			return "/github_auth?code=good&state=" + strings.Repeat("A", 43)
		}},
		{"no state", func(*rig, *browser, url.Values) string { return "/github_auth?code=good" }},
		{"empty state", func(*rig, *browser, url.Values) string { return "/github_auth?code=good&state=" }},
		{"state of a login of somebody else", func(r *rig, _ *browser, _ url.Values) string {
			return "/github_auth?code=good&state=" + r.browser().start("/github_auth").Get("state")
		}},
		{"no cookie", func(_ *rig, b *browser, sent url.Values) string {
			delete(b.cookies, loginCookie)
			return "/github_auth?code=good&state=" + sent.Get("state")
		}},
		{"the session's cookie in its place", func(r *rig, b *browser, sent url.Values) string {
			b.cookies[loginCookie] = &http.Cookie{Name: loginCookie, Value: r.logIn().cookies[sessionCookie].Value}
			return "/github_auth?code=good&state=" + sent.Get("state")
		}},
		{"too late", func(r *rig, _ *browser, sent url.Values) string {
			r.clock.pass(loginTime)
			return "/github_auth?code=good&state=" + sent.Get("state")
		}},
		{"at another provider", func(_ *rig, _ *browser, sent url.Values) string {
			return "/oidc_auth/okta?code=good&state=" + sent.Get("state")
		}},
		{"two codes", func(_ *rig, _ *browser, sent url.Values) string {
			return "/github_auth?code=good&code=bad&state=" + sent.Get("state")
		}},
		{"two states", func(_ *rig, _ *browser, sent url.Values) string {
			return "/github_auth?code=good&state=" + sent.Get("state") + "&state=x"
		}},
		{"a code and an error", func(_ *rig, _ *browser, sent url.Values) string {
			return "/github_auth?code=good&error=access_denied&state=" + sent.Get("state")
		}},
		{"neither", func(_ *rig, _ *browser, sent url.Values) string { return "/github_auth?state=" + sent.Get("state") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			b := r.browser()
			target := tt.target(r, b, b.start("/github_auth"))
			r.github.returns = nil
			w := b.get(target)
			if w.Code != http.StatusBadRequest || b.cookies[sessionCookie] != nil || len(r.github.returns)+len(r.okta.returns) > 0 {
				t.Errorf("GET %s = %d with the cookies %v, and the provider is asked %v", target, w.Code, b.cookies, r.github.returns)
			}
		})
	}
}

// TestLoginEndsOnce: the same answer of a provider, with the cookie that goes
// with it, is good once.
func TestLoginEndsOnce(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	sent := b.start("/github_auth")
	kept := b.cookies[loginCookie]
	b.comeBack("/github_auth", sent)
	again := r.browser()
	again.cookies[loginCookie] = kept
	if w := again.comeBack("/github_auth", sent); w.Code != http.StatusBadRequest || again.cookies[sessionCookie] != nil {
		t.Errorf("the second time = %d", w.Code)
	}
}

func TestCookiesCannotBeMade(t *testing.T) {
	r := newRig(t)
	b := r.logIn()
	good := b.cookies[sessionCookie].Value
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	values := []string{"", "x", strings.Repeat("A", 200), good + "A", good[:len(good)-4], base64.RawURLEncoding.EncodeToString([]byte(`{"account":"alice"}`))}
	for i := range raw {
		changed := []byte(string(raw))
		changed[i] ^= 1
		values = append(values, base64.RawURLEncoding.EncodeToString(changed))
	}
	other := sealer{[32]byte{2}}
	foreign, err := other.seal(sessionCookie, session{Account: "alice", Method: "github_auth", Subject: "id-1", Issued: r.clock.Now().Unix(), CSRF: "x"})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range append(values, foreign) {
		b.cookies[sessionCookie] = &http.Cookie{Name: sessionCookie, Value: v}
		if w := b.get("/tokens"); w.Code != http.StatusSeeOther {
			t.Fatalf("cookie %q = %d", v, w.Code)
		}
	}
	b.cookies[sessionCookie] = &http.Cookie{Name: sessionCookie, Value: good}
	if w := b.get("/tokens"); w.Code != http.StatusOK {
		t.Errorf("the right cookie = %d", w.Code)
	}
}

func TestSealedIsNotReadable(t *testing.T) {
	s := sealer{[32]byte{1}}
	one, err := s.seal("a", "the secret text")
	if err != nil {
		t.Fatal(err)
	}
	two, _ := s.seal("a", "the secret text")
	raw, _ := base64.RawURLEncoding.DecodeString(one)
	var got string
	if one == two || strings.Contains(string(raw), "secret") || s.open("a", one, &got) != nil || got != "the secret text" {
		t.Errorf("seal() = %q, %q, and open() = %q", one, two, got)
	}
	if err := s.open("b", one, &got); !errors.Is(err, errCookie) {
		t.Errorf("open() under another name = %v", err)
	}
}

func TestForgedForms(t *testing.T) {
	tests := []struct {
		name   string
		change func(b *browser, req *http.Request, form url.Values)
	}{
		{"no csrf token", func(_ *browser, _ *http.Request, form url.Values) { form.Del("csrf") }},
		{"empty csrf token", func(_ *browser, _ *http.Request, form url.Values) { form.Set("csrf", "") }},
		{"csrf token of another session", func(b *browser, _ *http.Request, form url.Values) { form.Set("csrf", b.logIn().form().Get("csrf")) }},
		{"from another site", func(_ *browser, req *http.Request, _ url.Values) { req.Header.Set("Sec-Fetch-Site", "cross-site") }},
		{"from a sibling", func(_ *browser, req *http.Request, _ url.Values) { req.Header.Set("Sec-Fetch-Site", "same-site") }},
		{"typed in", func(_ *browser, req *http.Request, _ url.Values) { req.Header.Set("Sec-Fetch-Site", "none") }},
		{"from another origin", func(_ *browser, req *http.Request, _ url.Values) { req.Header.Set("Origin", "https://evil.test") }},
		{"old browser, another origin", func(_ *browser, req *http.Request, _ url.Values) {
			req.Header.Del("Sec-Fetch-Site")
			req.Header.Set("Origin", "https://registry.test.evil.test")
		}},
	}
	for _, target := range []string{"/tokens", "/logout"} {
		for _, tt := range tests {
			t.Run(target+" "+tt.name, func(t *testing.T) {
				r := newRig(t)
				b := r.logIn()
				form := b.form("do", "make", "name", "x", "life", "30d")
				fields := http.Header{}
				tt.change(b, &http.Request{Header: fields}, form)
				req := request(http.MethodPost, target, form)
				for k, v := range fields {
					req.Header[k] = v
				}
				if strings.HasPrefix(tt.name, "old browser") {
					req.Header.Del("Sec-Fetch-Site")
				}
				if w := b.send(req); w.Code != http.StatusForbidden || r.tokens() != 0 || b.cookies[sessionCookie] == nil {
					t.Errorf("POST = %d, with %d tokens, %v", w.Code, r.tokens(), b.cookies)
				}
			})
		}
	}
	r := newRig(t)
	b := r.logIn()
	for _, set := range [][2]string{{"", ""}, {"", "https://" + host}, {"same-origin", "https://" + host}, {"same-origin", ""}} {
		req := request(http.MethodPost, "/tokens", b.form("do", "make", "name", "x", "life", "30d"))
		req.Header.Set("Sec-Fetch-Site", set[0])
		req.Header.Set("Origin", set[1])
		if w := b.send(req); w.Code != http.StatusSeeOther {
			t.Errorf("from here, as %q = %d", set, w.Code)
		}
	}
	// What is in the query is nobody's form.
	form := b.form("do", "revoke-all")
	if w := b.send(request(http.MethodPost, "/tokens?"+form.Encode(), nil)); w.Code != http.StatusForbidden || r.tokens() == 0 {
		t.Errorf("a form in the query = %d", w.Code)
	}
}

func TestSessionEnds(t *testing.T) {
	for name, end := range map[string]func(r *rig, b *browser){
		"with its time": func(r *rig, _ *browser) { r.clock.pass(sessionLife) },
		"with the login": func(r *rig, _ *browser) {
			if err := r.store.Delete(r.t.Context(), r.people.key("alice"), 0); err != nil {
				r.t.Fatal(err)
			}
		},
		"when somebody else has the name": func(r *rig, _ *browser) {
			p := alice()
			p.Subject = "id-2"
			r.enters(p)
		},
		"when the name is in the file": func(r *rig, _ *browser) { r.before["alice"] = nil },
		"with its method":              func(r *rig, _ *browser) { r.pages.methods = r.pages.methods[1:] },
		"when logged out": func(_ *rig, b *browser) {
			if w := b.post("/logout", b.form()); w.Header().Get("Location") != "/login" || b.cookies[sessionCookie] != nil {
				b.t.Errorf("POST /logout = %d", w.Code)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			b := r.logIn()
			form := b.form("do", "make", "name", "x", "life", "30d")
			end(r, b)
			if w := b.post("/tokens", form); w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), "/login") {
				t.Errorf("POST /tokens = %d to %q", w.Code, w.Header().Get("Location"))
			}
			if w := b.get("/tokens"); w.Code != http.StatusSeeOther || b.cookies[sessionCookie] != nil {
				t.Errorf("GET /tokens = %d", w.Code)
			}
		})
	}
}

// TestReloadKeepsSessions: another generation, and another gate, read the same cookies.
func TestReloadKeepsSessions(t *testing.T) {
	r := newRig(t)
	b := r.logIn()
	begun := r.browser()
	sent := begun.start("/github_auth")
	r.build(nil)
	if w := b.get("/tokens"); w.Code != http.StatusOK {
		t.Errorf("GET /tokens = %d", w.Code)
	}
	if w := begun.comeBack("/github_auth", sent); w.Header().Get("Location") != "/tokens" {
		t.Errorf("the login that had begun = %d", w.Code)
	}
}

// TestMakingATokenAsksTheProvider: there is no token for somebody who has left.
func TestMakingATokenAsksTheProvider(t *testing.T) {
	r := newRig(t)
	b := r.logIn()
	form := b.form("do", "make", "name", "x", "life", "30d")
	r.github.renew = func(string, authn.Secret) (idp.Person, error) { return idp.Person{}, &idp.Refusal{Msg: "gone"} }
	r.clock.pass(2 * time.Hour)
	if w := b.post("/tokens", form); w.Header().Get("Location") != "/login?ended" || r.tokens() != 0 {
		t.Errorf("make = %d to %q, with %d tokens", w.Code, w.Header().Get("Location"), r.tokens())
	}
	if page := b.get("/login?ended").Body.String(); !strings.Contains(page, "has ended") {
		t.Errorf("the page does not say why:\n%s", page)
	}
}

func TestFaultsInTheForm(t *testing.T) {
	r := newRig(t)
	b := r.logIn()
	for _, form := range [][2]string{
		{"", "30d"}, {"  ", "30d"}, {strings.Repeat("x", 65), "30d"}, {"a\nb", "30d"}, {"\xff", "30d"}, {"a\u202eb", "30d"},
		{"x", ""}, {"x", "31d"}, {"x", "-30d"}, {"x", "99999h"},
	} {
		w := b.post("/tokens", b.form("do", "make", "name", form[0], "life", form[1]))
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `role="alert"`) || r.tokens() != 0 {
			t.Errorf("%q = %d\n%s", form, w.Code, w.Body)
		}
	}
	if w := b.post("/tokens", b.form("do", "else")); w.Code != http.StatusBadRequest {
		t.Errorf("an unknown form = %d", w.Code)
	}
	if w := b.post("/tokens", b.form("do", "revoke", "id", "unknown")); w.Code != http.StatusSeeOther {
		t.Errorf("revoke of what is gone = %d", w.Code)
	}
	for range secret.Most {
		if _, _, err := r.book.Create(t.Context(), secret.Token{Kind: secret.Personal, Owner: "alice", Method: "github_auth", Name: "n"}); err != nil {
			t.Fatal(err)
		}
	}
	if w := b.post("/tokens", b.form("do", "make", "name", "one more", "life", "30d")); w.Code != http.StatusConflict || r.tokens() != secret.Most {
		t.Errorf("one too many = %d", w.Code)
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

func TestErrorsOfProviders(t *testing.T) {
	for code, want := range map[string]string{
		"access_denied":           "did not allow it",
		"temporarily_unavailable": "busy",
		"click_here_to_win":       "a reason that is not known here",
	} {
		r := newRig(t)
		b := r.browser()
		sent := b.start("/github_auth")
		w := b.get("/github_auth?" + url.Values{"error": {code}, "error_description": {"call 555-1234"}, "state": sent["state"]}.Encode())
		page := w.Body.String()
		if w.Code != http.StatusForbidden || !strings.Contains(page, want) || strings.Contains(page, "555") || strings.Contains(page, "click_here") {
			t.Errorf("%s = %d\n%s", code, w.Code, page)
		}
	}
}

func TestProviderDownOnThePages(t *testing.T) {
	r := newRig(t)
	r.github.down = errDown
	b := r.browser()
	if w := b.get("/github_auth"); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "GitHub cannot be reached now") || w.Header().Get("Retry-After") == "" {
		t.Errorf("start = %d\n%s", w.Code, w.Body)
	}
	if w := b.comeBack("/oidc_auth/okta", b.start("/oidc_auth/okta")); w.Header().Get("Location") != "/tokens" {
		t.Errorf("login at the other provider = %d\n%s", w.Code, w.Body)
	}
	r.github.down = nil
	b = r.browser()
	sent := b.start("/github_auth")
	r.github.down = errDown
	if w := b.comeBack("/github_auth", sent); w.Code != http.StatusServiceUnavailable || b.cookies[sessionCookie] != nil {
		t.Errorf("end = %d\n%s", w.Code, w.Body)
	}
}

// TestConsentIsAskedForWhenNeeded: a provider that gives a refresh token with
// it, and has given one before that we do not have. Whoever has agreed once is
// not asked again while we have what came of it.
func TestConsentIsAskedForWhenNeeded(t *testing.T) {
	r := newRig(t)
	r.github.consent, r.github.person.Refresh = true, ""
	b := r.browser()
	w := b.comeBack("/github_auth", b.start("/github_auth"))
	to, err := url.Parse(w.Header().Get("Location"))
	if err != nil || w.Code != http.StatusFound || to.Host != "idp.test" || r.github.starts[0].Consent || !r.github.starts[1].Consent {
		t.Fatalf("login = %d to %q, after %v", w.Code, w.Header().Get("Location"), r.github.starts)
	}
	if w := b.comeBack("/github_auth", to.Query()); w.Header().Get("Location") != "/tokens" { // it does not give one, all the same
		t.Fatalf("login with consent = %d to %q", w.Code, w.Header().Get("Location"))
	}
	r.github.person.Refresh = "refresh-1"
	r.logIn()
	r.github.person.Refresh = ""
	r.logIn()
	for _, s := range r.github.starts[2:] {
		if s.Consent {
			t.Error("consent was asked for, though there is a refresh token")
		}
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

func TestTakenNameOnThePages(t *testing.T) {
	r := newRig(t)
	r.before["alice"] = nil
	b := r.browser()
	w := b.comeBack("/github_auth", b.start("/github_auth"))
	if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "The name alice is taken") || b.cookies[sessionCookie] != nil {
		t.Errorf("login = %d\n%s", w.Code, w.Body)
	}
	if !r.logged("browser login refused: the name is that of an account which is asked about before") {
		t.Error("no line for the operator")
	}
}

// TestCallbackOfAnotherName: the provider sends browsers to a name of the gate
// which is not the one by which this one has come.
func TestCallbackOfAnotherName(t *testing.T) {
	r := newRig(t)
	r.github.redirect = "https://other.test/github_auth"
	b := r.browser()
	w := b.get("/github_auth")
	if w.Header().Get("Location") != "https://other.test/github_auth" || b.cookies[loginCookie] != nil {
		t.Errorf("start = %d to %q with %v", w.Code, w.Header().Get("Location"), b.cookies)
	}
	r.github.redirect = "https://registry.test:443/github_auth"
	if sent := b.start("/github_auth"); sent.Get("redirect_uri") != r.github.redirect {
		t.Errorf("the provider is sent %v", sent)
	}
	r.github.redirect = "http://registry.test/github_auth"
	if w := b.get("/github_auth"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("start with a call-back without TLS = %d", w.Code)
	}
}

// TestMadeTokenIsShownToItsOwnerAlone: the cookie that carries it is worth
// nothing in another's session, nor later.
func TestMadeTokenIsShownToItsOwnerAlone(t *testing.T) {
	r := newRig(t)
	b := r.logIn()
	b.post("/tokens", b.form("do", "make", "name", "x", "life", "30d"))
	kept := b.cookies[madeCookie]
	r.github.person = idp.Person{Account: "bob", Subject: "id-3", Refresh: "r"}
	bob := r.logIn()
	bob.cookies[madeCookie] = kept
	if page := bob.get("/tokens").Body.String(); strings.Contains(page, "rgt_") || bob.cookies[madeCookie] != nil {
		t.Errorf("bob is shown\n%s", page)
	}
	r.clock.pass(handoverTime)
	if page := b.get("/tokens").Body.String(); strings.Contains(page, "rgt_") {
		t.Errorf("after a minute, alice is shown\n%s", page)
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
