package browser

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

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

// TestLookingAheadEndsNothing: what looks at addresses before people do asks
// with HEAD. It must not cost them the login, nor the token that is shown once.
func TestLookingAheadEndsNothing(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	sent := b.start("/github_auth")
	w := b.send(request(http.MethodHead, "/github_auth?code=good&state="+sent.Get("state"), nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET" || len(r.github.returns) > 0 {
		t.Errorf("HEAD of the call-back = %d, and the provider is asked %v", w.Code, r.github.returns)
	}
	if w := b.comeBack("/github_auth", sent); w.Header().Get("Location") != "/tokens" {
		t.Fatalf("login after it = %d to %q", w.Code, w.Header().Get("Location"))
	}
	b.post("/tokens", b.form("do", "make", "name", "x", "life", "30d"))
	b.send(request(http.MethodHead, "/tokens", nil))
	if page := b.get("/tokens").Body.String(); !tokenText.MatchString(page) {
		t.Errorf("after a HEAD, the token is not shown:\n%s", page)
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

// TestFloodOfLoginsIsHeldBack: codes that somebody makes up do not hold a
// connection to the provider each. A login that comes to an end makes room.
func TestFloodOfLoginsIsHeldBack(t *testing.T) {
	r := newRig(t)
	for range mostAtOnce + 1 {
		b := r.browser()
		if w := b.get("/github_auth?code=bad&state=" + b.start("/github_auth").Get("state")); w.Code != http.StatusForbidden {
			t.Fatalf("a bad code = %d", w.Code)
		}
	}
	for range mostAtOnce {
		r.people.ending <- struct{}{}
	}
	b := r.browser()
	sent := b.start("/github_auth")
	soon, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	w := b.send(request(http.MethodGet, "/github_auth?code=good&state="+sent.Get("state"), nil).WithContext(soon))
	if w.Code == http.StatusSeeOther || len(r.github.returns) != mostAtOnce+1 {
		t.Errorf("one more = %d, and the provider is asked %d times", w.Code, len(r.github.returns))
	}
	<-r.people.ending
	r.logIn()
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
// TestTakenOverNameIsLogged: the first of two providers has the name, as it is
// documented. That somebody had it before is not left to be found out.
func TestTakenOverNameIsLogged(t *testing.T) {
	const message = "the name is taken from whoever has logged in with it at another provider"
	r := newRig(t)
	b := r.browser()
	b.comeBack("/oidc_auth/okta", b.start("/oidc_auth/okta"))
	if r.logged(message) || b.get("/tokens").Code != http.StatusOK {
		t.Fatal("alice is not logged in, or has taken her own name")
	}
	r.logIn()
	if !r.logged(message) || b.get("/tokens").Code != http.StatusSeeOther {
		t.Error("two have the name, or nobody is told")
	}
}

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
