package authsvc

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/secret"
	"github.com/regate/regate/authsvc/token"
	"github.com/regate/regate/internal/oci"
)

// A directory has accounts elsewhere, all with the password "pw".
type directory struct {
	accounts map[string]authn.Labels
	down     error
	asked    atomic.Int64
}

func (d *directory) Find(_ context.Context, account string) (authn.Identity, error) {
	d.asked.Add(1)
	labels, ok := d.accounts[account]
	switch {
	case d.down != nil:
		return authn.Identity{}, d.down
	case !ok:
		return authn.Identity{}, authn.ErrUnknownUser
	}
	return authn.Identity{Account: account, Labels: labels}, nil
}

func (d *directory) Authenticate(ctx context.Context, c authn.Credentials) (authn.Identity, error) {
	id, err := d.Find(ctx, c.Account)
	if err == nil && c.Password != "pw" {
		return authn.Identity{}, authn.ErrWrongPassword
	}
	return id, err
}

// blind is a directory that finds nobody.
type blind struct{ of *directory }

func (b blind) Authenticate(ctx context.Context, c authn.Credentials) (authn.Identity, error) {
	return b.of.Authenticate(ctx, c)
}

// A refreshRig is a rig that gives out refresh tokens: to admin and dev, who
// are in a file, to alice, who is in a directory, and to bob, whom only a program
// knows. Rules let alice and bob into what their labels say, like dev.
type refreshRig struct {
	*rig
	book   *secret.Book
	ldap   *directory
	ext    *directory
	parts  RefreshParts
	now    atomic.Int64 // Unix time in ns: the book reads it when it notes a use
	known  []Voucher
	access *token.Revocations
}

func (r *refreshRig) Now() time.Time { return time.Unix(0, r.now.Load()) }

func (r *refreshRig) set(now time.Time) { r.now.Store(now.UnixNano()) }

func team(name string) authn.Labels { return authn.Labels{"team": {{Value: name}}} }

func newRefreshRig(t testing.TB) *refreshRig {
	t.Helper()
	ldap := &directory{accounts: map[string]authn.Labels{"alice": team("web")}}
	ext := &directory{accounts: map[string]authn.Labels{"bob": team("web")}}
	r := &refreshRig{rig: newRig(t, authn.Keyed("ldap", ldap), authn.Keyed("ext", blind{ext})), ldap: ldap, ext: ext}
	r.set(time.Now())
	r.book = secret.New(r.store, r.Now, nil)
	r.known = []Voucher{{Key: "users", Finder: r.users}, {Key: "ldap", Finder: ldap, Elsewhere: true}, {Key: "ext"}}
	r.parts = RefreshParts{Config: rigTokens, Book: r.book, Labels: token.NewLabels(r.store), Log: r.service.log}
	r.restart(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); r.book.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	return r
}

// restart forgets what is in memory.
func (r *refreshRig) restart(t testing.TB) {
	t.Helper()
	r.parts.Vouchers = NewVouchers(r.known, r.Now)
	r.service.refreshes = NewRefreshes(r.parts)
	var err error
	if r.access, err = token.OpenRevocations(t.Context(), r.store, nil, nil); err != nil {
		t.Fatal(err)
	}
	r.service.revoked = r.access
	r.reopen(t)
}

// logIn is docker login.
func (r *refreshRig) logIn(t testing.TB, account, password string) string {
	t.Helper()
	w, body := r.ask(t, shown{method: "GET", query: "account=" + account + "&client_id=docker&offline_token=true&service=registry.test", basic: account + ":" + password})
	if w.Code != http.StatusOK {
		t.Fatalf("login of %s: %d %s", account, w.Code, w.Body)
	}
	text, _ := body["refresh_token"].(string)
	return text
}

const webScope = "repository:web/x:pull,push"

// refreshed is the scope that a refresh token gets, or the error.
func (r *refreshRig) refreshed(t testing.TB, text string) string {
	t.Helper()
	return said(r.ask(t, refreshing(text, "registry.test")))
}

func said(w *httptest.ResponseRecorder, body map[string]any) string {
	if w.Code != http.StatusOK {
		retry := ""
		if w.Header().Get("Retry-After") != "" {
			retry = ", later"
		}
		return fmt.Sprint(w.Code, retry)
	}
	return fmt.Sprint(body["scope"])
}

func refreshing(text, service string) shown {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {text}, "service": {service}, "scope": {webScope}, "client_id": {"docker"}}
	return shown{method: "POST", body: form.Encode()}
}

// TestRefresh: each way in which clients show a refresh token, again and again,
// and no back end is asked with it.
func TestRefresh(t *testing.T) {
	r := newRefreshRig(t)
	text := r.logIn(t, "dev", "dev secret")
	asked := r.asked.Load()
	const query = "service=registry.test&scope=" + webScope
	for range 3 {
		for name, s := range map[string]shown{
			"docker":                 refreshing(text, "registry.test"),
			"the default service":    refreshing(text, ""),
			"repeated scopes":        {method: "POST", body: "grant_type=refresh_token&scope=repository:web/x:pull&scope=repository:web/x:push&refresh_token=" + text},
			"containerd's fallback":  {method: "GET", query: query, basic: ":" + text},
			"docker's helpers":       {method: "GET", query: query, basic: "<token>:" + text},
			"its account beside it":  {method: "GET", query: query + "&account=dev", basic: ":" + text},
			"Basic in a POST":        {method: "POST", body: query, basic: ":" + text},
			"on a host with guests":  {method: "GET", query: query, basic: ":" + text, host: "hub.test"},
			"wants no other, but it": {method: "POST", body: "grant_type=refresh_token&access_type=offline&scope=" + webScope + "&refresh_token=" + text},
		} {
			w, body := r.ask(t, s)
			if got := said(w, body); got != webScope {
				t.Errorf("%s: %s %s", name, got, w.Body)
			}
			want := any(nil)
			if strings.Contains(s.body, "offline") {
				want = text
			}
			if body["refresh_token"] != want {
				t.Errorf("%s: refresh_token %v, want %v", name, body["refresh_token"], want)
			}
			if _, err := r.door.Authorize(t.Context(), oci.Shown{Authorization: oci.NewSecret("Bearer " + body["access_token"].(string))}, needs(webScope)); err != nil {
				t.Errorf("%s: the token does not open: %v", name, err)
			}
		}
	}
	if got := r.asked.Load(); got != asked {
		t.Errorf("back ends were asked %d times", got-asked)
	}
}

// TestBadRefreshTokens are refused: never anonymous, nothing is logged of them,
// and nobody is asked about them.
func TestBadRefreshTokens(t *testing.T) {
	r := newRefreshRig(t)
	text := r.logIn(t, "dev", "dev secret")
	personal, _, err := r.book.Create(t.Context(), secret.Token{Kind: secret.Personal, Owner: "dev", Method: "users", Name: "laptop"})
	if err != nil {
		t.Fatal(err)
	}
	other := newRefreshRig(t).logIn(t, "dev", "dev secret")
	asked := r.asked.Load()
	for name, bad := range map[string]string{
		"damaged": text[:len(text)-1] + "_", "cut off": text[:30], "the mark alone": secret.Prefix, "of another gate": other,
		"a personal token": personal.Reveal(), "a JWT": "eyJhbGciOiJub25lIn0.e30.AAAA", "a password": "dev secret", "blanks": " ", "twice": text + text,
	} {
		for how, s := range map[string]shown{
			"grant": refreshing(bad, "registry.test"), "no name": {method: "GET", query: "scope=" + webScope, basic: ":" + bad},
			"helper": {method: "GET", query: "scope=" + webScope, basic: "<token>:" + bad},
		} {
			w, _ := r.ask(t, s)
			if w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), badRefresh) {
				t.Errorf("%s, %s: %d %s", name, how, w.Code, w.Body)
			}
		}
		if len(bad) > 20 {
			r.unsaid(t, bad)
		}
	}
	r.unsaid(t, text)
	for name, tt := range map[string]struct {
		s    shown
		want int
	}{
		"as a password of its owner":   {shown{method: "GET", basic: "dev:" + text}, 401},
		"of somebody else":             {shown{method: "GET", basic: "admin:" + text}, 401},
		"in a password grant":          {shown{method: "POST", body: "grant_type=password&username=dev&password=" + text}, 401},
		"in the query of a POST":       {shown{method: "POST", query: "refresh_token=" + text, body: "grant_type=refresh_token"}, 401},
		"for an account that it isn't": {shown{method: "GET", query: "account=admin", basic: ":" + text}, 400},
		"for an unknown service":       {refreshing(text, "else"), 400},
	} {
		if w, _ := r.ask(t, tt.s); w.Code != tt.want {
			t.Errorf("%s: %d, want %d", name, w.Code, tt.want)
		}
	}
	_, err = r.door.Authorize(t.Context(), oci.Shown{Authorization: oci.NewSecret(basic(":" + text))}, needs("repository:pub/x:pull"))
	if got := refused(err); got != ": "+refreshHere {
		t.Errorf("at the door: %s", got)
	}
	r.unsaid(t, text)
	if got := r.asked.Load(); got != asked {
		t.Errorf("back ends were asked %d times", got-asked)
	}
}

// unsaid fails the test if a line of the log has the text.
func (r *refreshRig) unsaid(t *testing.T, text string) {
	t.Helper()
	for _, line := range r.logs.All() {
		if all := fmt.Sprint(line.Message, line.ContextMap()); strings.Contains(all, text[len(text)/2:]) {
			t.Errorf("line %s", all)
		}
	}
}

// TestRefreshIsForItsService alone.
func TestRefreshIsForItsService(t *testing.T) {
	r := newRefreshRig(t)
	hub := oci.Namespace{Name: "docker.io"}
	r.service.namespaces = []oci.Namespace{hub}
	audience := hub.Audience("registry.test")
	_, body := r.ask(t, shown{method: "GET", query: "offline_token=true&service=" + url.QueryEscape(audience), basic: "dev:dev secret"})
	texts := map[string]string{"registry.test": r.logIn(t, "dev", "dev secret"), audience: body["refresh_token"].(string)}
	for of, text := range texts {
		for service := range texts {
			want := http.StatusUnauthorized
			if of == service {
				want = http.StatusOK
			}
			if w, _ := r.ask(t, refreshing(text, service)); w.Code != want {
				t.Errorf("one for %q shown for %q: %d, want %d", of, service, w.Code, want)
			}
		}
	}
}

// TestWhoGetsARefreshToken: who asks for one, and has shown a password.
func TestWhoGetsARefreshToken(t *testing.T) {
	r := newRefreshRig(t)
	personal, _, err := r.book.Create(t.Context(), secret.Token{Kind: secret.Personal, Owner: "dev", Method: "users", Name: "laptop"})
	if err != nil {
		t.Fatal(err)
	}
	by := map[authn.Means]bool{}
	for _, means := range []authn.Means{authn.ByPassword, authn.ByCertificate, authn.ByPersonal, authn.ByRobot, authn.ByRefresh, authn.ByWorkload} {
		id := authn.Identity{Account: "dev", Via: authn.Via{Means: means, Method: "users"}}
		by[means] = deserves(id, authn.Credentials{Account: "dev", Password: "p"})
	}
	if len(by) != 6 || !by[authn.ByPassword] || by[authn.ByCertificate] || by[authn.ByPersonal] || by[authn.ByRobot] || by[authn.ByRefresh] || by[authn.ByWorkload] {
		t.Errorf("deserve one: %v", by)
	}
	known := authn.Via{Method: "users"}
	for name, tt := range map[string]struct {
		id authn.Identity
		c  authn.Credentials
	}{
		"nobody vouches":        {authn.Identity{Account: "dev"}, authn.Credentials{Account: "dev", Password: "p"}},
		"anonymous":             {authn.Identity{Via: known}, authn.Credentials{}},
		"a guest":               {authn.Identity{Via: known}, authn.Credentials{Account: "stranger", Password: "p"}},
		"a certificate":         {authn.Identity{Account: "dev", Via: known}, authn.Credentials{Chains: [][]*x509.Certificate{{}}}},
		"a secret of ours":      {authn.Identity{Account: "dev", Via: known}, authn.Credentials{Account: "dev", Password: personal}},
		"a JWT, whoever let it": {authn.Identity{Account: "dev", Via: known}, authn.Credentials{Account: "dev", Password: "eyJh.e30.AA"}},
	} {
		if deserves(tt.id, tt.c) {
			t.Errorf("%s deserves one", name)
		}
	}
	for name, tt := range map[string]struct {
		s    shown
		want bool
	}{
		"GET":                  {shown{method: "GET", query: "offline_token=true", basic: "dev:dev secret"}, true},
		"password grant":       {shown{method: "POST", body: "grant_type=password&username=dev&password=dev+secret&access_type=offline"}, true},
		"elsewhere":            {shown{method: "GET", query: "offline_token=true", basic: "alice:pw"}, true},
		"only a program knows": {shown{method: "GET", query: "offline_token=true", basic: "bob:pw"}, true},
		"not asked for":        {shown{method: "GET", basic: "dev:dev secret"}, false},
		"anonymous":            {shown{method: "GET", query: "offline_token=true"}, false},
		"HEAD":                 {shown{method: "HEAD", query: "offline_token=true", basic: "dev:dev secret"}, false},
	} {
		before := len(r.records(t))
		w, body := r.ask(t, tt.s)
		text, given := body["refresh_token"].(string)
		if w.Code != http.StatusOK || given != tt.want || given && !strings.HasPrefix(text, secret.Prefix) {
			t.Errorf("%s: %d, refresh_token %v", name, w.Code, given)
		}
		if made := len(r.records(t)) - before; made != map[bool]int{true: 1}[tt.want] {
			t.Errorf("%s: %d were made", name, made)
		}
	}
}

func (r *refreshRig) records(t *testing.T) (keys []string) {
	t.Helper()
	for e, err := range r.store.List(t.Context(), "secret/") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, e.Key)
	}
	return keys
}

// TestRefreshTurnedOff: none is given, and none is good.
func TestRefreshTurnedOff(t *testing.T) {
	r := newRefreshRig(t)
	text := r.logIn(t, "dev", "dev secret")
	r.parts.Config.Refresh.Off = true
	r.restart(t)
	if got := r.logIn(t, "dev", "dev secret"); got != "" {
		t.Error("one is given")
	}
	if got := r.refreshed(t, text); got != "401" {
		t.Errorf("one is good: %s", got)
	}
	r.service.refreshes = nil
	if got := r.refreshed(t, text) + r.logIn(t, "dev", "dev secret"); got != "401" {
		t.Errorf("without any: %s", got)
	}
}

// TestNoTokenNoRefreshToken: who is given no access token was not told of the
// other one either, and it is not left behind.
func TestNoTokenNoRefreshToken(t *testing.T) {
	r := newRefreshRig(t)
	query := url.Values{"offline_token": {"true"}, "service": {"registry.test"}}
	for i := range 100 {
		query.Add("scope", fmt.Sprintf("repository:web/%s%d:pull", strings.Repeat("x", 200), i))
	}
	if w, _ := r.ask(t, shown{method: "GET", query: query.Encode(), basic: "dev:dev secret"}); w.Code != http.StatusBadRequest {
		t.Fatalf("a token that is too long: %d %s", w.Code, w.Body)
	}
	left, err := r.book.List(t.Context(), "dev")
	if err != nil || len(left) > 0 {
		t.Errorf("%d refresh tokens are left (%v)", len(left), err)
	}
}
