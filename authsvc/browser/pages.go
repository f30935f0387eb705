package browser

import (
	"context"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/secret"
	"github.com/regate/regate/internal/cache"
	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/internal/state"
)

// Pages are those on which people log in and make their tokens.
type Pages struct {
	methods []*People
	store   state.Store
	book    *secret.Book
	tokens  secret.Config
	held    time.Duration
	revoked Revoker
	cookies sealer
	spent   *Spent
	now     func() time.Time
	log     *zap.Logger
}

// PagesParts are what Pages are made of.
type PagesParts struct {
	Methods []*People   // in the order in which they are offered
	Store   state.Store // knows which sessions were ended
	Book    *secret.Book
	Tokens  secret.Config
	Revoked Revoker       // refuses what was given out for tokens; nil lets it expire
	Life    time.Duration // of what docker gets for a token, and goes on using when that is revoked
	Key     [32]byte      // of the cookies; all gates of a fleet have the same
	Spent   *Spent
	Now     func() time.Time // the clock; nil is time.Now
	Log     *zap.Logger      // nil is silence
}

// A Revoker refuses, on all gates, what was given out for some secrets, or to one
// account. An error says that it goes on until it expires.
type Revoker interface {
	RevokeFamily(ctx context.Context, ids ...string) error
	RevokeSubject(ctx context.Context, account string) error
}

// NewPages makes Pages.
func NewPages(p PagesParts) *Pages {
	if p.Now == nil {
		p.Now = time.Now
	}
	if p.Log == nil {
		p.Log = zap.NewNop()
	}
	return &Pages{
		methods: p.Methods, store: p.Store, book: p.Book, tokens: p.Tokens, revoked: p.Revoked, held: p.Life, cookies: sealer{p.Key},
		spent: p.Spent, now: p.Now, log: p.Log.Named("browser"),
	}
}

// Serve answers a request whose path Owns.
func (p *Pages) Serve(w http.ResponseWriter, r *http.Request) error {
	edge.RecordFrom(r.Context()).Op = "pages"
	guard(w.Header())
	switch rawPath(r) {
	case "/":
		return p.read(w, r, showFront)
	case loginPath:
		return p.read(w, r, p.showLogin)
	case tokensPath:
		if r.Method == http.MethodPost {
			return p.changeTokens(w, r)
		}
		return p.read(w, r, p.showTokens)
	case logoutPath:
		return p.logOut(w, r)
	}
	return p.read(w, r, p.visitProvider)
}

// read serves what changes nothing.
func (p *Pages) read(w http.ResponseWriter, r *http.Request, serve func(http.ResponseWriter, *http.Request) error) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return oci.Errorf(oci.Unsupported, "this page is read with GET").With("Allow", "GET, HEAD")
	}
	return serve(w, r)
}

// people returns those of a method; nil if it is not configured any more.
func (p *Pages) people(method string) *People {
	for _, m := range p.methods {
		if m.Name() == method {
			return m
		}
	}
	return nil
}

// showFront sends whoever types in the name of the registry to the login.
func showFront(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Location", loginPath)
	w.WriteHeader(http.StatusFound)
	return nil
}

// goTo sends the browser to another page, with a GET.
func goTo(w http.ResponseWriter, path string) error {
	w.Header().Set("Location", path)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// Spent are the logins that have ended on this gate: each ends once. It lives as
// long as the process.
type Spent struct {
	mu     sync.Mutex // held while one is spent
	states *cache.Cache[string, struct{}]
}

// NewSpent makes a Spent that knows nothing.
func NewSpent(now func() time.Time) *Spent {
	return &Spent{states: cache.New[string, struct{}](cache.Options{TTL: loginTime, Now: now})}
}

// spend reports whether it is called with state for the first time.
func (s *Spent) spend(state string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.states.Get(state); known {
		return false
	}
	s.states.Set(state, struct{}{})
	return true
}
