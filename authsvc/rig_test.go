package authsvc

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/authn/static"
	"github.com/regate/regate/authsvc/password"
	"github.com/regate/regate/authsvc/token"
	"github.com/regate/regate/internal/cache"
	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/keyring"
	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/internal/state"
	"github.com/regate/regate/internal/state/local"
)

// A rig is the whole half, on a state in a directory of the test's own.
type rig struct {
	handler http.Handler
	door    *Door
	login   *Login
	asked   atomic.Int64                             // times that the chain was asked
	outside func(acl.Ask) (oci.Actions, bool, error) // asked after the rules, unless nil
	refused atomic.Value                             // last word to the Observer
	logs    *observer.ObservedLogs

	store   state.Store
	ring    *keyring.Ring
	service *Service
	users   *static.Users
}

var rigTokens = token.Config{Service: "registry.test"}

// reopen makes the door know what is revoked by now.
func (r *rig) reopen(t testing.TB) {
	t.Helper()
	revoked, err := token.OpenRevocations(t.Context(), r.store, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.door = NewDoor(token.NewVerifier(rigTokens, token.Parts{Keys: r.ring, Revoked: revoked}), r.service)
}

func text(s string) *string { return &s }

var rigRules = acl.Config{
	{Match: &acl.Match{Account: text("admin")}, Actions: []string{"*"}},
	{Match: &acl.Match{Account: text("dev"), Name: text("${labels:team}/*")}, Actions: []string{"pull", "push"}},
	{Match: &acl.Match{Name: text("pub/*")}, Actions: []string{"pull"}},
}

func rigUsers(t testing.TB) static.Config {
	hash := func(s string) string {
		h, err := password.Hash(s, 4)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	return static.Config{
		"admin": {Password: hash("admin secret")},
		"dev":   {Password: hash("dev secret"), Labels: map[string][]string{"team": {"web"}}},
		"":      {},
	}
}

// newRig has the accounts admin, dev and the anonymous, and what follows them
// in the chain.
func newRig(t testing.TB, more ...authn.Authenticator) *rig {
	t.Helper()
	return newLimitedRig(t, edge.DefaultBodyLimits(), more...)
}

func newLimitedRig(t testing.TB, limits edge.BodyLimits, more ...authn.Authenticator) *rig {
	t.Helper()
	store, err := local.Open(t.Context(), local.Config{Path: t.TempDir()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	ring, err := keyring.Open(t.Context(), keyring.Options{Store: store}, nil)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := acl.Compile(rigRules)
	if err != nil {
		t.Fatal(err)
	}
	pool := password.NewPool(password.Options{})
	core, logs := observer.New(zap.DebugLevel)
	r := &rig{logs: logs, store: store, ring: ring}
	users := static.New(rigUsers(t), pool)
	r.users = users
	chain := append(authn.Chain{authn.Keyed("users", users)}, more...)
	counted := authn.Func(func(ctx context.Context, c authn.Credentials) (authn.Identity, error) {
		r.asked.Add(1)
		return chain.Authenticate(ctx, c)
	})
	r.login = NewLogin(counted, password.NewCache[authn.Identity](cache.Options{}), nil, func(ctx context.Context, secret string) error {
		return pool.Absent(ctx, users.Cost(), secret)
	})
	r.service = New(Parts{
		Users: r.login, Rules: acl.Chain{rules, r}, Tokens: token.NewIssuer(rigTokens, token.Parts{Keys: ring}), Labels: token.NewLabels(store), Log: zap.New(core),
		Observe: func(refused string) { r.refused.Store(refused) },
	})
	r.reopen(t)
	r.handler = edge.Stack(edge.Handler(r.service.ServeToken), edge.Log(zap.New(core), nil), edge.Recover, edge.LimitBodies(limits))
	return r
}

// Decide is acl.Decider's.
func (r *rig) Decide(_ context.Context, a acl.Ask) (oci.Actions, bool, error) {
	if r.outside == nil {
		return 0, false, nil
	}
	return r.outside(a)
}

// ask sends a request for a token and decodes the answer.
func (r *rig) ask(t testing.TB, s shown) (*httptest.ResponseRecorder, map[string]any) {
	t.Helper()
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, s.request())
	var body map[string]any
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Fatalf("answer %q: %v", w.Body, err)
		}
	}
	return w, body
}
