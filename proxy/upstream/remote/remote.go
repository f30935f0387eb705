package remote

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/cache"
	"github.com/regate/regate/internal/oci"
)

// A Config is what the gate knows of a registry before it has asked it.
type Config struct {
	// Name is what clients call it: docker.io.
	Name string
	// Origin is its address. The path is the prefix of all its paths.
	Origin *url.URL
	// Username and Password are the gate's own there; both may be "".
	Username string
	Password authn.Secret
	// TokenHosts are the hosts besides the registry's own that may be asked
	// for tokens, over https.
	TokenHosts []string
}

// Deps are what a Remote needs to work.
type Deps struct {
	// Own sends a request to the registry's own address.
	Own func(*http.Request) (*http.Response, error)
	// Others sends one to a token host. It must not follow redirects.
	Others http.RoundTripper
	// Refused is told why a request got no answer of the registry. It may be nil.
	Refused func(reason string)
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Log may be nil.
	Log *zap.Logger
}

// The reasons for which a client gets no answer of the registry.
const (
	RateLimited  = "rate_limited"  // the registry has answered 429
	Waiting      = "waiting"       // it had done so before, and was not asked
	NoAccess     = "no_access"     // it has no such repository, or does not let the gate see it
	BadAccount   = "bad_account"   // it does not know the gate's name and password
	BadChallenge = "bad_challenge" // it wants tokens from where none may be asked for, or says so in no way that can be read
	BadToken     = "bad_token"     // what should have been a token was none
	NoToken      = "no_token"      // nobody answered who should have given one
)

// A Remote is a registry of somebody else. Its methods may be called by
// several goroutines at once.
type Remote struct {
	cfg  Config
	deps Deps
	*memory
}

// A memory is what the registry has said so far.
type memory struct {
	tokens  *cache.Cache[string, string] // by repository
	flights cache.Flights[string, string]
	budget  budget

	mu       sync.Mutex // guards what follows
	asks     challenge  // how the registry wants to be asked, once it has said so
	locked   time.Time  // until then the account is not tried again
	lockedBy error
}

const (
	mostTokens = 4096
	mostDrain  = 64 << 10 // bytes of an answer that is not passed on
	drainTime  = time.Second
)

// New asks nobody anything yet.
func New(cfg Config, d Deps) *Remote {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Refused == nil {
		d.Refused = func(string) {}
	}
	if d.Log == nil {
		d.Log = zap.NewNop()
	}
	m := &memory{tokens: cache.New[string, string](cache.Options{Size: mostTokens, Now: d.Now})}
	m.budget.now = d.Now
	return &Remote{cfg, d, m}
}

// Inherit makes r go on with what old, which must have the same Config, has been
// told. It is to be called before the first request.
func (r *Remote) Inherit(old *Remote) { r.memory = old.memory }

// fields are those that only a registry of ours is to see. Who the clients of
// the gate are, and what it is called, is nobody else's business.
var fields = [...]string{"Authorization", "Cookie", "Traceparent", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"}

// Send asks the registry for out, which is a GET or HEAD of something in repo,
// and returns its answer. Errors that clients may read are an *oci.Error; any
// other is that of Deps.Own.
func (r *Remote) Send(out *http.Request, repo string) (*http.Response, error) {
	for _, name := range fields {
		delete(out.Header, name)
	}
	class := r.classify(out, repo)
	if err := r.budget.check(r.cfg.Name, class); err != nil {
		return nil, r.refused(Waiting, err)
	}
	shown, err := r.authorization(out.Context(), repo, "")
	if err != nil {
		return nil, err
	}
	res, err := r.ask(out, shown)
	if err == nil && res.StatusCode == http.StatusUnauthorized {
		res, err = r.askAgain(out, repo, shown, res)
	}
	if err != nil {
		return nil, err
	}
	return r.judge(res, class)
}

func (r *Remote) ask(out *http.Request, shown string) (*http.Response, error) {
	if shown != "" {
		out.Header["Authorization"] = []string{shown}
	}
	return r.deps.Own(out)
}

// askAgain does what the challenge of refused says. What has been shown so far
// is of no use any more.
func (r *Remote) askAgain(out *http.Request, repo, shown string, refused *http.Response) (*http.Response, error) {
	drain(refused)
	c, err := r.read(refused.Header["Www-Authenticate"])
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.asks = c
	r.mu.Unlock()
	fresh, err := r.authorization(out.Context(), repo, shown)
	if err != nil {
		return nil, err
	}
	res := refused
	if fresh != shown {
		res, err = r.ask(out.Clone(out.Context()), fresh)
	}
	if err == nil && c.basic && res.StatusCode == http.StatusUnauthorized {
		drain(res)
		return nil, r.doubt(r.ping().WithContext(out.Context()), fmt.Errorf("the registry answered %s", res.Status))
	}
	return res, err
}

// authorization is what the registry wants to see for repo, as far as that is
// known. What equals stale is not good enough any more.
func (r *Remote) authorization(ctx context.Context, repo, stale string) (string, error) {
	r.mu.Lock()
	c := r.asks
	r.mu.Unlock()
	switch {
	case c.basic:
		return r.basic(), r.barred()
	case c.realm == nil:
		return "", nil
	}
	token, err := r.token(ctx, c, repo, strings.TrimPrefix(stale, "Bearer "))
	if err != nil {
		return "", err
	}
	return "Bearer " + token, nil
}

// judge keeps from clients what is between the gate and the registry.
func (r *Remote) judge(res *http.Response, c class) (*http.Response, error) {
	switch res.StatusCode {
	case http.StatusTooManyRequests:
		drain(res)
		return nil, r.limited(res, c)
	case http.StatusUnauthorized, http.StatusForbidden:
		drain(res)
		return nil, r.hidden(c, fmt.Errorf("the registry answered %s", res.Status))
	}
	r.budget.note(res.Header)
	return res, nil
}

// hidden is the error of a repository that does not exist or is not for the
// gate to see: Docker Hub makes no difference, and neither can the gate. As a
// 401 it would make clients log in, to somebody else (protocol.md 5.2).
func (r *Remote) hidden(c class, why error) error {
	kind := oci.UnknownName
	if c == referrers {
		kind = oci.NoSuchPath // NAME_UNKNOWN would say that there is no repository (protocol.md 2.5)
	}
	return r.refused(NoAccess, oci.Errorf(kind, "%s has no such repository, or does not let this gate see it", r.cfg.Name).Because(why))
}

// limited is the error of a request that was one too many. A token server
// that says so means all requests.
func (r *Remote) limited(res *http.Response, c class) error {
	wait := r.budget.exhaust(c, res.Header)
	r.deps.Log.Warn("registry refuses more requests for a while", zap.String("registry", r.cfg.Name), zap.Duration("for", wait))
	return r.refused(RateLimited, tooMany(r.cfg.Name, wait))
}

// refused counts an error.
func (r *Remote) refused(reason string, err error) error {
	r.deps.Refused(reason)
	return err
}

// Remaining is how many requests the registry has said to have left for the
// gate; ok is false if it has not said so.
func (r *Remote) Remaining() (n int64, ok bool) { return r.budget.remaining() }

// drain reads an answer that nobody gets to see, so that its connection can be
// used again, unless that takes too long.
func drain(res *http.Response) {
	late := time.AfterFunc(drainTime, func() { _ = res.Body.Close() })
	defer late.Stop()
	_, _ = io.CopyN(io.Discard, res.Body, mostDrain)
	_ = res.Body.Close()
}
