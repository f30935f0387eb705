package idp

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/authn"
)

const (
	clientID = "gate of acme"
	// With characters that go wrong where they are not escaped (RFC 6749 2.3.1).
	clientSecret = "client-secret &=+%:/ü"
	callback     = "https://registry.test/some_auth"
	someState    = "state-0123456789"
	someNonce    = "nonce-0123456789"
	someVerifier = "verifier-0123456789-0123456789-0123456789-0123456789"
)

// any of the four.
type anyProvider interface {
	AuthURL(context.Context, Start) (string, error)
	Exchange(context.Context, Return) (Person, error)
	Renew(context.Context, string, authn.Secret) (Person, error)
	Terms() Terms
	Close()
}

var _, _, _, _ anyProvider = (*OIDC)(nil), (*Google)(nil), (*GitHub)(nil), (*GitLab)(nil)

// A fake is a provider that complains about whatever it should not be sent.
type fake struct {
	t     *testing.T
	url   string
	mux   *http.ServeMux
	basic bool              // it wants the client secret in a header, and else in the form
	scope string            // what must be asked for
	also  map[string]string // what else must be

	mu      sync.Mutex
	fault   http.HandlerFunc // is asked instead, for paths that begin with at
	at      string
	count   int
	codes   map[string]url.Values // the question that each is the answer to
	access  map[string]bool
	refresh map[string]bool
	asked   map[string]int // by path

	gives   bool // refresh tokens
	rotates bool // each of them is good for once
	idToken func(nonce, access string) string
}

func newFake(t *testing.T) *fake {
	f := &fake{t: t, mux: http.NewServeMux(), codes: make(map[string]url.Values), access: make(map[string]bool), refresh: make(map[string]bool), asked: make(map[string]int)}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	f.url = s.URL
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.asked[r.URL.Path]++
	fault, at := f.fault, f.at
	f.mu.Unlock()
	f.want(r.UserAgent() == "regate", "User-Agent %q", r.UserAgent())
	f.want(r.Header.Get("Accept") == "application/json", "Accept %q", r.Header.Get("Accept"))
	if fault != nil && strings.HasPrefix(r.URL.Path, at) {
		fault(w, r)
		return
	}
	f.mux.ServeHTTP(w, r)
}

func (f *fake) want(ok bool, format string, args ...any) {
	f.t.Helper()
	if !ok {
		f.t.Errorf("the provider is sent "+format, args...)
	}
}

// broken has paths that begin with at answered by h, until it is mended.
func (f *fake) broken(at string, h http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.at = h, at
}

func (f *fake) mended() { f.broken("", nil) }

func (f *fake) times(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[path]
}

func (f *fake) fresh(kind string) string {
	f.count++
	return fmt.Sprintf("%s-%d-0123456789", kind, f.count)
}

// browse is what a person does at the address to which they were sent. It
// returns the code with which they come back.
func (f *fake) browse(address string) string {
	f.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		f.t.Fatal(err)
	}
	q := u.Query()
	for key, want := range map[string]string{
		"response_type": "code", "client_id": clientID, "redirect_uri": callback, "state": someState,
		"scope": f.scope, "code_challenge_method": "S256",
	} {
		f.want(q.Get(key) == want && len(q[key]) == 1, "%s %q, want %q", key, q[key], want)
	}
	for key, want := range f.also {
		f.want(q.Get(key) == want, "%s %q, want %q", key, q[key], want)
	}
	f.want(!strings.Contains(address, "verifier"), "the verifier: %s", address)
	f.mu.Lock()
	defer f.mu.Unlock()
	code := f.fresh("code")
	f.codes[code] = q
	return code
}

// token is the token endpoint.
func (f *fake) token(w http.ResponseWriter, r *http.Request) {
	f.want(r.Method == http.MethodPost && r.URL.RawQuery == "", "%s %s", r.Method, r.URL)
	_ = r.ParseForm()
	f.want(f.knows(r), "no client, or one twice: %v", r.PostForm)
	f.mu.Lock()
	defer f.mu.Unlock()
	var asked url.Values
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		asked = f.redeem(r.PostForm)
	case "refresh_token":
		asked = f.renewed(r.PostForm)
	}
	if asked == nil {
		refuseJSON(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": r.PostForm.Encode()})
		return
	}
	f.give(w, asked)
}

func (f *fake) give(w http.ResponseWriter, asked url.Values) {
	a := map[string]any{"access_token": f.fresh("access"), "token_type": "bearer", "expires_in": 7200, "scope": f.scope}
	f.access[a["access_token"].(string)] = true
	if f.gives {
		refresh := f.fresh("refresh")
		a["refresh_token"], f.refresh[refresh] = refresh, true
	}
	if f.idToken != nil {
		a["id_token"] = f.idToken(asked.Get("nonce"), a["access_token"].(string))
	}
	answerJSON(w, a)
}

func (f *fake) knows(r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	inForm := r.PostForm.Has("client_id") || r.PostForm.Has("client_secret")
	if f.basic {
		id, _ := url.QueryUnescape(user)
		secret, _ := url.QueryUnescape(password)
		return ok && !inForm && id == clientID && secret == clientSecret
	}
	return !ok && r.PostForm.Get("client_id") == clientID && r.PostForm.Get("client_secret") == clientSecret
}

func (f *fake) redeem(form url.Values) url.Values {
	asked := f.codes[form.Get("code")]
	delete(f.codes, form.Get("code"))
	if asked == nil {
		return nil
	}
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	f.want(base64.RawURLEncoding.EncodeToString(sum[:]) == asked.Get("code_challenge"), "a verifier that is not the challenge's")
	f.want(form.Get("redirect_uri") == asked.Get("redirect_uri"), "redirect_uri %q", form.Get("redirect_uri"))
	return asked
}

func (f *fake) renewed(form url.Values) url.Values {
	token := form.Get("refresh_token")
	if !f.refresh[token] {
		return nil
	}
	if f.rotates {
		delete(f.refresh, token)
	}
	return url.Values{}
}

// api serves what is for those with an access token.
func (f *fake) api(pattern string, h http.HandlerFunc) {
	f.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		f.mu.Lock()
		good := f.access[token]
		f.mu.Unlock()
		if !ok || !good {
			refuseJSON(w, http.StatusUnauthorized, map[string]string{"message": "Bad credentials"})
			return
		}
		h(w, r)
	})
}

// withdraw ends all access or refresh tokens.
func (f *fake) withdraw(tokens map[string]bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(tokens)
}

func answerJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(v)
}

func refuseJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func (f *fake) login(p anyProvider) (Person, error) {
	f.t.Helper()
	to, err := p.AuthURL(f.t.Context(), Start{Redirect: callback, State: someState, Nonce: someNonce, Verifier: someVerifier})
	if err != nil {
		return Person{}, err
	}
	return p.Exchange(f.t.Context(), Return{callback, f.browse(to), someNonce, someVerifier})
}

// in logs in, which must succeed.
func (f *fake) in(p anyProvider) Person {
	f.t.Helper()
	who, err := f.login(p)
	if err != nil {
		f.t.Fatalf("login: %v", err)
	}
	return who
}

func gate() Client {
	return Client{ClientID: clientID, ClientSecret: clientSecret, HTTPTimeout: 5 * time.Second}
}

// must is for constructors.
func must[P anyProvider](t *testing.T, p P, err error) P {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// shown is a person as one line.
func shown(p Person) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s (%s)", p.Account, p.Subject)
	for name, values := range p.Labels {
		fmt.Fprintf(&text, " %s=", name)
		for i, v := range values {
			if i > 0 {
				text.WriteByte(',')
			}
			text.WriteString(v.Value)
			if v.Pattern {
				text.WriteString("*")
			}
		}
	}
	return text.String()
}
