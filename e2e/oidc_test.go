package e2e

import (
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

var formAction = regexp.MustCompile(`<form[^>]* action="([^"]+)"`)

// visitOIDC begins a login and fills in the provider's forms. It ends where the
// browser does.
func (v *visitor) visitOIDC(account string) view {
	v.t.Helper()
	page := v.open("/oidc_auth")
	for _, form := range []url.Values{{"prompt": {"login"}, "login": {account}, "password": {"any"}}, {"prompt": {"consent"}}} {
		action := formAction.FindStringSubmatch(page.text)
		if action == nil {
			v.t.Fatalf("no form of the provider at %s with %d:\n%s", page.path, page.status, page.text)
		}
		page = v.read(v.client.PostForm(html.UnescapeString(action[1]), form))
	}
	return page
}

// oidcToken logs in at the provider, makes a token and returns it.
func (v *visitor) oidcToken(account string) string {
	v.t.Helper()
	if end := v.visitOIDC(account); end.path != "/tokens" || end.status != 200 {
		v.t.Fatalf("login ends at %s with %d:\n%s", end.path, end.status, end.text)
	}
	return v.token("/login", account+"@example.com")
}

// TestOIDCLogin: a person's groups are those of the moment, and whose account
// is gone has no token any more. The provider takes each refresh token once.
func TestOIDCLogin(t *testing.T) {
	t.Parallel()
	s, idp := startPages(t, engines{})
	web := testbed.Account{Email: "alice@example.com", Groups: []string{"web"}}
	people := map[string]testbed.Account{"alice": web, "bob": {Email: "bob@example.com", Groups: []string{"web"}}}
	idp.Know(t, people)
	alice, bob := s.visitor(t, nil).oidcToken("alice"), s.visitor(t, nil).oidcToken("bob")
	both := "repository:web/app:pull,push repository:ops/app:pull,push"
	granted := func() string { return s.scope(t, "alice@example.com", alice, both) }
	if got := granted(); got != "repository:web/app:pull,push" {
		t.Errorf("granted %q", got)
	}
	web.Groups = []string{"ops"}
	idp.Know(t, map[string]testbed.Account{"alice": web})
	eventually(t, "the groups of now", func() bool { return granted() == "repository:ops/app:pull,push" })
	eventually(t, "the end of bob", func() bool {
		status, _ := s.login(t, "bob@example.com", bob, "")
		return status == 401
	})
	idp.Know(t, people)
	if status, _ := s.login(t, "bob@example.com", bob, ""); status != 401 {
		t.Errorf("bob, who is back, gets %d for what was revoked", status)
	}
	eventually(t, "the groups of before", func() bool { return granted() == "repository:web/app:pull,push" })

	idp.Stop(t)
	warning := `"provider cannot be asked, its last word counts for a day"`
	eventually(t, "a renewal in vain", func() bool {
		if got := granted(); got != "repository:web/app:pull,push" {
			t.Fatalf("while the provider is down: %q", got)
		}
		return strings.Contains(s.gate.Log(), warning)
	})
	s.gate.Stop(t)
	s.gate.Start(t) // and knows nothing but what is in its state
	if got := granted(); got != "repository:web/app:pull,push" {
		t.Errorf("after a restart: %q", got)
	}
	if down := s.visitor(t, nil).open("/oidc_auth"); down.status != 503 || !strings.Contains(down.text, "Example cannot be reached now") {
		t.Errorf("a login while the provider is down: %d\n%s", down.status, down.text)
	}
	if status, body := s.login(t, "dev", devPassword, ""); status != 200 {
		t.Errorf("a user of the file while the provider is down: %d %s", status, body)
	}
}

// TestForgedLogin: what another site can make somebody's browser do.
func TestForgedLogin(t *testing.T) {
	t.Parallel()
	s, idp := startPages(t, engines{})
	idp.Know(t, map[string]testbed.Account{"alice": {Email: "alice@example.com"}, "mallory": {Email: "mallory@example.com"}})

	// Mallory logs in, and has the victim's browser go the last step.
	mallory := s.visitor(t, nil)
	var last string
	mallory.client.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(req.URL.String(), s.gate.URL+"/oidc_auth?code=") {
			last = req.URL.RequestURI()
			return http.ErrUseLastResponse
		}
		return nil
	}
	mallory.visitOIDC("mallory")
	if last == "" {
		t.Fatal("mallory is not sent back")
	}
	victim := s.visitor(t, nil)
	for _, begun := range []bool{false, true} {
		if begun {
			victim.open("/oidc_auth") // has begun a login of her own
		}
		if got := victim.open(last); got.status != 400 || !strings.Contains(got.text, "This login cannot be finished") {
			t.Errorf("the victim, who has begun one: %v, is told %d:\n%s", begun, got.status, got.text)
		}
		if got := victim.open("/tokens"); got.path != "/login" {
			t.Errorf("the victim is at %s", got.path)
		}
	}
	mallory.client.CheckRedirect = nil
	if got := mallory.open(last); got.path != "/tokens" {
		t.Errorf("mallory's own browser ends at %s with %d:\n%s", got.path, got.status, got.text)
	}
	if got := mallory.open(last); got.status != 400 {
		t.Errorf("and a second time with %d", got.status)
	}

	// Somebody who is logged in comes to another site, which sends forms.
	alice := s.visitor(t, nil)
	token := alice.oidcToken("alice")
	page := alice.open("/tokens").text
	form := url.Values{"do": {"revoke-all"}, "csrf": {html.UnescapeString(csrfField.FindStringSubmatch(page)[1])}}
	for name, send := range map[string]struct {
		header http.Header
		form   url.Values
	}{
		"without the hidden field":       {http.Header{"Sec-Fetch-Site": {"same-origin"}}, url.Values{"do": {"revoke-all"}}},
		"from another site":              {http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.test"}}, form},
		"from an old browser, elsewhere": {http.Header{"Origin": {"https://evil.test"}}, form},
	} {
		if status := alice.send(t, "/tokens", send.header, send.form); status != 403 {
			t.Errorf("%s: %d", name, status)
		}
	}
	if status, _ := s.login(t, "alice@example.com", token, ""); status != 200 {
		t.Errorf("alice's token was revoked: %d", status)
	}
	if status := alice.send(t, "/tokens", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {"null"}}, form); status != 200 {
		t.Errorf("the form of the page itself: %d", status)
	}
	if status, _ := s.login(t, "alice@example.com", token, ""); status != 401 {
		t.Errorf("alice's token after she has revoked all: %d", status)
	}
}

// send posts a form as it is, and returns how that ends.
func (v *visitor) send(t *testing.T, path string, header http.Header, form url.Values) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", v.site.gate.URL+path, strings.NewReader(form.Encode()))
	must(t, err)
	for k, values := range header {
		req.Header[k] = values
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := v.client.Do(req)
	must(t, err)
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	must(t, err)
	return res.StatusCode
}
