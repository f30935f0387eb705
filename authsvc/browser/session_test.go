package browser

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/idp"
	"github.com/regate/regate/internal/state"
)

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

// TestTossedCookie: a session of mallory's is put beside alice's own, as a page
// at evil.registry.test could with a browser that does not know the prefix.
func TestTossedCookie(t *testing.T) {
	r := newRig(t)
	b := r.logIn()
	r.github.person = idp.Person{Account: "mallory", Subject: "id-9", Refresh: "r"}
	tossed := *r.logIn().cookies[sessionCookie]
	for _, order := range [][]*http.Cookie{{&tossed, b.cookies[sessionCookie]}, {b.cookies[sessionCookie], &tossed}} {
		other := r.browser()
		req := request(http.MethodGet, "/tokens", nil)
		for _, c := range order {
			req.AddCookie(c)
		}
		if w := other.send(req); w.Code != http.StatusSeeOther {
			t.Errorf("with two sessions = %d\n%s", w.Code, w.Body)
		}
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

// TestCopiedCookieEndsWithItsSession: what a browser has thrown away when it was
// logged out is worth nothing to whoever has copied it, at any gate. Another
// browser of the same person goes on.
func TestCopiedCookieEndsWithItsSession(t *testing.T) {
	r := newRig(t)
	b, other, thief := r.logIn(), r.logIn(), r.browser()
	thief.cookies[sessionCookie] = b.cookies[sessionCookie]
	form := thief.form("do", "make", "name", "x", "life", "30d")
	ended := &watched{Store: r.store}
	r.pages.store = ended
	if w := b.post("/logout", b.form()); w.Header().Get("Location") != "/login" {
		t.Fatalf("POST /logout = %d", w.Code)
	}
	if len(ended.lives) != 1 || ended.lives[0] < sessionLife+skew {
		t.Errorf("it is known for %v, and the cookie is good for %v", ended.lives, sessionLife)
	}
	r.build(nil) // another gate
	if w := thief.post("/tokens", form); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/login?ended" || r.tokens() != 0 {
		t.Errorf("POST /tokens = %d to %q, with %d tokens", w.Code, w.Header().Get("Location"), r.tokens())
	}
	if w := other.get("/tokens"); w.Code != http.StatusOK {
		t.Errorf("GET /tokens in the other browser = %d", w.Code)
	}
}

// A deaf store is one that cannot be asked.
type deaf struct{ state.Store }

func (deaf) Get(context.Context, string) (state.Value, error) { return state.Value{}, errDown }

// TestNobodyKnowsWhoHasLoggedOut: then nobody is taken for somebody who has not.
func TestNobodyKnowsWhoHasLoggedOut(t *testing.T) {
	r := newRig(t)
	b := r.logIn()
	r.pages.store = deaf{r.store}
	if w := b.get("/tokens"); w.Code != http.StatusServiceUnavailable || b.cookies[sessionCookie] == nil {
		t.Errorf("GET /tokens = %d", w.Code)
	}
}

// TestClocksApart: gates need not agree on the second. What is of the future is
// not taken: nobody knows when it ends.
func TestClocksApart(t *testing.T) {
	for apart, want := range map[time.Duration]bool{-skew: true, -skew - time.Second: false} {
		r := newRig(t)
		b, begun := r.logIn(), r.browser()
		sent := begun.start("/github_auth")
		r.clock.pass(apart)
		if w := b.get("/tokens"); (w.Code == http.StatusOK) != want {
			t.Errorf("a session made %v ago = %d", apart, w.Code)
		}
		if w := begun.comeBack("/github_auth", sent); (w.Code == http.StatusSeeOther) != want {
			t.Errorf("a login begun %v ago = %d", apart, w.Code)
		}
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
