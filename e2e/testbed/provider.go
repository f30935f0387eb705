package testbed

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// What a gate is called by every provider.
const (
	ProviderClient = "gate-of-acme"
	ProviderSecret = "client-secret &=+%/ of the gate"
	ProviderJob    = "job-of-acme" // whose secret is the same
)

// A Human has an account at a provider, and is logged in there.
type Human struct {
	Name     string // of the account
	Email    string
	ID       int
	Groups   []string // full paths, or ORGANIZATION/SLUG for GitHub's teams
	Outsider bool     // is in no organization, whatever Groups says
	Private  bool     // is in no Workspace
}

// A Provider is GitHub, GitLab or Google, as far as a gate speaks to it. What
// it is sent that the real one would refuse, or should not get, fails the test.
type Provider struct {
	URL string

	t     testing.TB
	scope string

	mu      sync.Mutex
	human   Human
	status  int // of every answer, unless 0
	count   int
	asked   map[string]int
	codes   map[string]url.Values
	tokens  map[string]bool             // that open the API
	refresh map[string]bool             // each is good for once, unless keeps
	gives   func(asked url.Values) bool // a refresh token
	keeps   bool                        // refresh tokens are good for ever
	sign    func(nonce string) string
}

func newProvider(t testing.TB, scope string) *Provider {
	Secret(ProviderSecret)
	return &Provider{t: t, scope: scope, codes: map[string]url.Values{}, tokens: map[string]bool{}, refresh: map[string]bool{}, asked: map[string]int{}}
}

// serve answers at a loopback address, with a certificate for these names too.
func (p *Provider) serve(ca *CA, mux *http.ServeMux, names ...string) {
	addr := LocalAddr()
	cert, key := ca.Issue(p.t, append([]string{"127.0.0.1"}, names...)...)
	s := &http.Server{Addr: addr, Handler: p.listen(mux), ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = s.ListenAndServeTLS(cert, key) }()
	p.t.Cleanup(func() { _ = s.Close() })
	p.URL = "https://" + addr
	Await(p.t, func() error { return listening(addr) })
}

func (p *Provider) listen(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked[r.URL.Path]++
		status := p.status
		p.mu.Unlock()
		if status != 0 {
			w.WriteHeader(status)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Visit has somebody else sit before the browser.
func (p *Provider) Visit(h Human) { p.locked(func() { p.human = h }) }

// Fail has everything answered with a status; 0 is as it should be.
func (p *Provider) Fail(status int) { p.locked(func() { p.status = status }) }

// Withdraw ends all tokens that were given.
func (p *Provider) Withdraw() { p.locked(func() { clear(p.tokens); clear(p.refresh) }) }

// Asked returns how often a path was asked for.
func (p *Provider) Asked(path string) (n int) { p.locked(func() { n = p.asked[path] }); return n }

func (p *Provider) locked(do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	do()
}

func (p *Provider) want(ok bool, format string, args ...any) {
	if !ok {
		p.t.Errorf("the provider is sent "+format, args...)
	}
}

// authorize is the page where people log in. They are, and agree.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	for key, want := range map[string]string{"response_type": "code", "client_id": ProviderClient, "scope": p.scope, "code_challenge_method": "S256"} {
		p.want(q.Get(key) == want, "%s %q, want %q", key, q.Get(key), want)
	}
	p.want(len(q.Get("state")) >= 43 && len(q.Get("code_challenge")) == 43, "a state or challenge that is too short: %v", q)
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || back.Scheme != "https" {
		p.want(false, "redirect_uri %q", q.Get("redirect_uri"))
		return
	}
	p.mu.Lock()
	code := p.fresh("code")
	p.codes[code] = q
	p.mu.Unlock()
	back.RawQuery = url.Values{"code": {code}, "state": {q.Get("state")}}.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// fresh makes a secret that no gate may say.
func (p *Provider) fresh(kind string) string {
	p.count++
	text := fmt.Sprintf("%s_%x", kind, random(16))
	Secret(text)
	return text
}

// token is the token endpoint. Clients show their secret in the form.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	_, _, basic := r.BasicAuth()
	p.want(r.PostForm.Get("client_id") == ProviderClient && r.PostForm.Get("client_secret") == ProviderSecret && !basic || basic && p.sign != nil, "another client: %v", r.PostForm.Get("client_id"))
	p.want(r.Header.Get("Accept") == "application/json", "Accept %q", r.Header.Get("Accept"))
	p.mu.Lock()
	defer p.mu.Unlock()
	asked, ok := p.redeem(r.PostForm)
	if !ok {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_grant","error_description":"it is over"}`)
		return
	}
	access := p.fresh("access")
	a := map[string]any{"access_token": access, "token_type": "bearer", "scope": p.scope}
	p.tokens[access] = true
	if p.gives != nil && p.gives(asked) {
		refresh := p.fresh("refresh")
		a["refresh_token"], p.refresh[refresh] = refresh, true
	}
	if p.sign != nil {
		a["id_token"] = p.sign(asked.Get("nonce"))
	}
	answerJSON(w, a)
}

func (p *Provider) redeem(form url.Values) (asked url.Values, ok bool) {
	switch form.Get("grant_type") {
	case "authorization_code":
		asked, ok = p.codes[form.Get("code")]
		delete(p.codes, form.Get("code"))
		sum := sha256.Sum256([]byte(form.Get("code_verifier")))
		p.want(!ok || base64.RawURLEncoding.EncodeToString(sum[:]) == asked.Get("code_challenge"), "another verifier")
		p.want(!ok || form.Get("redirect_uri") == asked.Get("redirect_uri"), "another redirect_uri")
	case "refresh_token":
		ok = p.refresh[form.Get("refresh_token")]
		if !p.keeps {
			delete(p.refresh, form.Get("refresh_token"))
		}
	}
	return asked, ok
}

// api answers those with an access token with what get makes of the human.
func (p *Provider) api(get func(h Human, r *http.Request) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p.want(r.UserAgent() == "regate", "User-Agent %q", r.UserAgent())
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.tokens[token] {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer := get(p.human, r)
		if answer == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		answerJSON(w, answer)
	}
}

func answerJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// StartGitHub starts a GitHub Enterprise Server, with an OAuth app for gates.
func StartGitHub(t testing.TB, ca *CA) *Provider {
	t.Helper()
	p := newProvider(t, "read:org user:email")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login/oauth/authorize", p.authorize)
	mux.HandleFunc("POST /login/oauth/access_token", p.token)
	mux.HandleFunc("GET /api/v3/user", p.api(func(h Human, _ *http.Request) any {
		return map[string]any{"login": h.Name, "id": h.ID}
	}))
	mux.HandleFunc("GET /api/v3/user/memberships/orgs/acme", p.api(func(h Human, _ *http.Request) any {
		if h.Outsider {
			return nil
		}
		return map[string]any{"state": "active"}
	}))
	mux.HandleFunc("GET /api/v3/user/teams", p.api(func(h Human, _ *http.Request) any {
		teams := []any{}
		for _, g := range h.Groups {
			org, slug, _ := strings.Cut(g, "/")
			teams = append(teams, map[string]any{"slug": slug, "organization": map[string]any{"login": org}})
		}
		return teams
	}))
	p.serve(ca, mux)
	return p
}

// StartGitLab starts a GitLab, with an application for gates.
func StartGitLab(t testing.TB, ca *CA) *Provider {
	t.Helper()
	p := newProvider(t, "read_user read_api")
	p.gives = func(url.Values) bool { return true }
	mux := http.NewServeMux()
	mux.HandleFunc("GET /oauth/authorize", p.authorize)
	mux.HandleFunc("POST /oauth/token", p.token)
	mux.HandleFunc("GET /api/v4/user", p.api(func(h Human, _ *http.Request) any {
		return map[string]any{"username": h.Name, "id": h.ID, "state": "active"}
	}))
	mux.HandleFunc("GET /api/v4/groups", p.api(func(h Human, r *http.Request) any {
		p.want(r.URL.Query().Get("min_access_level") == "10", "%s", r.URL)
		groups := []any{}
		for _, g := range h.Groups {
			groups = append(groups, map[string]any{"full_path": g})
		}
		return groups
	}))
	p.serve(ca, mux)
	return p
}
