package browser

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/idp"
	"github.com/regate/regate/authsvc/secret"
	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/state"
	"github.com/regate/regate/internal/state/local"
)

// A fake provider says what a test has it say.
type fake struct {
	mu       sync.Mutex // guards what follows
	title    string
	issuer   string // is said by Terms, as is consent
	consent  bool   // is said by Terms
	redirect string // is sent in the place of what was asked for
	down     error  // of everything
	person   idp.Person
	starts   []idp.Start
	returns  []idp.Return
	renewed  atomic.Int64
	renew    func(account string, refresh authn.Secret) (idp.Person, error) // nil says person
}

func (f *fake) AuthURL(_ context.Context, s idp.Start) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down != nil {
		return "", f.down
	}
	f.starts = append(f.starts, s)
	if f.redirect != "" {
		s.Redirect = f.redirect
	}
	return "https://idp.test/authorize?" + url.Values{"state": {s.State}, "redirect_uri": {s.Redirect}}.Encode(), nil
}

func (f *fake) Exchange(_ context.Context, r idp.Return) (idp.Person, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.returns = append(f.returns, r)
	if r.Code != "good" {
		return idp.Person{}, &idp.Refusal{Msg: "the <b>code</b> is not good"}
	}
	return f.person, f.down
}

func (f *fake) Renew(_ context.Context, account string, refresh authn.Secret) (idp.Person, error) {
	f.renewed.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down != nil {
		return idp.Person{}, f.down
	}
	if f.renew != nil {
		return f.renew(account, refresh)
	}
	return f.person, nil
}

func (f *fake) Terms() idp.Terms {
	return idp.Terms{RevalidateAfter: time.Hour, MaxAge: 30 * 24 * time.Hour, Title: f.title, Issuer: f.issuer, Consent: f.consent}
}

// set changes f while requests may run.
func (f *fake) set(change func(*fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

var errDown = errors.New("no answer from the provider")

// A clock that a test moves.
type clock struct {
	mu sync.Mutex // guards at
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// A rig is the pages with two providers, over a state of its own.
type rig struct {
	t       *testing.T
	clock   *clock
	store   state.Store
	book    *secret.Book
	before  map[string]error // accounts that somebody has before
	github  *fake
	okta    *fake
	people  *People // of github
	others  *People // of okta
	pages   *Pages
	handler http.Handler
	logs    *observer.ObservedLogs
}

func alice() idp.Person {
	return idp.Person{Account: "alice", Subject: "id-1", Refresh: "refresh-1", Labels: authn.Labels{"teams": {{Value: "web"}}}}
}

func newRig(t *testing.T) *rig {
	t.Helper()
	store, err := local.Open(t.Context(), local.Config{Path: t.TempDir()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	core, logs := observer.New(zap.DebugLevel)
	r := &rig{
		t: t, store: store, clock: &clock{at: time.Unix(1800000000, 0)}, before: map[string]error{}, logs: logs,
		github: &fake{title: "GitHub", person: alice()}, okta: &fake{title: "okta.test", person: alice()},
	}
	r.book = secret.New(store, r.clock.Now, nil)
	r.build(zap.New(core))
	return r
}

// build makes what a reload makes anew.
func (r *rig) build(log *zap.Logger) {
	before := finder(func(account string) error {
		if err, known := r.before[account]; known {
			return err
		}
		return authn.ErrUnknownUser
	})
	parts := PeopleParts{Before: before, Store: r.store, Book: r.book, Now: r.clock.Now, Log: log}
	parts.Method = Method{"github_auth", "/github_auth", r.github}
	r.people = NewPeople(parts)
	parts.Method = Method{"oidc_auth/okta", "/oidc_auth/okta", r.okta}
	parts.Before = authn.Chain{r.people}
	r.others = NewPeople(parts)
	r.pages = NewPages(PagesParts{
		Methods: []*People{r.people, r.others}, Store: r.store, Book: r.book, Tokens: secret.Config{Endless: true},
		Key: [32]byte{1}, Spent: NewSpent(r.clock.Now), Now: r.clock.Now, Log: log,
	})
	r.handler = edge.Stack(edge.Handler(r.pages.Serve), edge.Log(log, nil), edge.Recover)
}

type finder func(account string) error

func (f finder) Find(_ context.Context, account string) (authn.Identity, error) {
	return authn.Identity{Account: account}, f(account)
}

// logged reports whether there is a line with that message.
func (r *rig) logged(message string) bool { return r.logs.FilterMessage(message).Len() > 0 }

const host = "registry.test"

// A browser keeps cookies.
type browser struct {
	*rig
	cookies map[string]*http.Cookie
}

func (r *rig) browser() *browser { return &browser{r, map[string]*http.Cookie{}} }

// send sends a request as a browser does, and keeps the cookies of the answer.
func (b *browser) send(req *http.Request) *httptest.ResponseRecorder {
	b.t.Helper()
	for _, c := range b.cookies {
		req.AddCookie(c)
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, req)
	for _, c := range w.Result().Cookies() {
		if !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode || !strings.HasPrefix(c.Name, "__Host-") {
			b.t.Errorf("cookie %s", c)
		}
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
			continue
		}
		b.cookies[c.Name] = c
	}
	checkGuards(b.t, w)
	return w
}

// checkGuards fails unless the answer has what each has.
func checkGuards(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	for key, want := range map[string]string{
		"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
		"Content-Security-Policy": policy, "X-Frame-Options": "DENY",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
	} {
		if got := w.Header().Get(key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}

func request(method, target string, form url.Values) *http.Request {
	req := httptest.NewRequest(method, "https://"+host+target, strings.NewReader(form.Encode()))
	req.RequestURI = target
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		req.Header.Set("Origin", "null")
	}
	return req
}

func (b *browser) get(target string) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.send(request(http.MethodGet, target, nil))
}

// start begins a login, and returns what the provider is sent.
func (b *browser) start(path string) url.Values {
	b.t.Helper()
	w := b.get(path)
	to, err := url.Parse(w.Header().Get("Location"))
	if err != nil || w.Code != http.StatusFound || to.Host != "idp.test" {
		b.t.Fatalf("GET %s = %d to %q", path, w.Code, w.Header().Get("Location"))
	}
	return to.Query()
}

// comeBack ends a login with the state that was sent.
func (b *browser) comeBack(path string, sent url.Values) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.get(path + "?" + url.Values{"code": {"good"}, "state": sent["state"]}.Encode())
}

// logIn logs in at GitHub.
func (r *rig) logIn() *browser {
	r.t.Helper()
	b := r.browser()
	if w := b.comeBack("/github_auth", b.start("/github_auth")); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/tokens" {
		r.t.Fatalf("login = %d to %q\n%s", w.Code, w.Header().Get("Location"), w.Body)
	}
	return b
}

var csrfField = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// form fills in a form of /tokens.
func (b *browser) form(pairs ...string) url.Values {
	b.t.Helper()
	found := csrfField.FindStringSubmatch(b.get("/tokens").Body.String())
	if found == nil {
		b.t.Fatal("no form on /tokens")
	}
	v := url.Values{"csrf": {found[1]}}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

func (b *browser) post(target string, form url.Values) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.send(request(http.MethodPost, target, form))
}

var tokenText = regexp.MustCompile(`<pre id="token">(rgt_[^<]+)</pre>`)

// makeToken makes a token on the page and returns its text.
func (b *browser) makeToken(name string) authn.Secret {
	b.t.Helper()
	if w := b.post("/tokens", b.form("do", "make", "name", name, "life", "30d")); w.Code != http.StatusSeeOther {
		b.t.Fatalf("make = %d\n%s", w.Code, w.Body)
	}
	found := tokenText.FindStringSubmatch(b.get("/tokens").Body.String())
	if found == nil {
		b.t.Fatal("the token is not shown")
	}
	return authn.Secret(found[1])
}

// tokens are how many alice has.
func (r *rig) tokens() int {
	r.t.Helper()
	all, err := r.book.List(r.t.Context(), "alice")
	if err != nil {
		r.t.Fatal(err)
	}
	return len(all)
}
