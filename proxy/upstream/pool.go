package upstream

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/internal/connlimit"
	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/internal/problem"
	"github.com/regate/regate/proxy/upstream/storage"
)

// A Pool is the servers of one registry, which are replicas of one store. Its
// methods may be called by several goroutines at once.
type Pool struct {
	key       string // of its configuration
	log       *zap.Logger
	endpoints []*Endpoint
	balance   string
	turns     atomic.Uint64 // of round_robin and least_conn
	checked   bool
	requests  *connlimit.Limiter
	most      int // of requests
	budget    *budget
	told      Observer
	namespace oci.Namespace
	service   string

	others  *http.Transport  // to token servers of somebody else's registry; nil if it is ours
	storage *storage.Storage // nil if no redirects are followed
}

// Options are what a Pool needs besides its configuration.
type Options struct {
	// Name is the registry's key in the configuration, for messages.
	Name string
	// Minter signs tokens for registries. It may be nil if none wants one.
	Minter Minter
	// Issuer and Service are those of the tokens that clients hold, which a
	// registry of mode forward trusts.
	Issuer, Service string
	// Requests makes what bounds those that the registry has. Nil is no bound.
	Requests func(most int) *connlimit.Limiter
	// Gate reports whether HOST:PORT may be the gate itself, where no redirect
	// is to lead. It may be nil.
	Gate func(host string) bool
	// Observe is told what is done to hide failures from clients.
	Observe Observer
	// Now is the clock that tokens go by; default time.Now.
	Now func() time.Time
	// Log may be nil.
	Log *zap.Logger
}

// An Observer counts. Each of its functions may be nil.
type Observer struct {
	Retried func(reason string) // a request was sent to another endpoint
	Resumed func()              // a blob went on from another endpoint
	Refused func(reason string) // a registry of somebody else gave no answer for a client
	// Followed is what became of a redirect that was followed.
	Followed func(outcome string)
}

// errNoMinter is a mistake of whoever joins the parts.
var errNoMinter = errors.New("nobody is there to sign tokens for the registry")

// New opens what c names and connects to nothing yet.
func New(c Config, o Options) (*Pool, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	if o.Requests == nil {
		o.Requests = func(int) *connlimit.Limiter { return connlimit.New(connlimit.Limits{}, connlimit.Deps{}) }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	p := &Pool{
		key:      problem.Key("registries", o.Name),
		log:      o.Log,
		balance:  c.Balance,
		checked:  c.Checked(),
		requests: o.Requests(c.MaxRequests),
		most:     c.MaxRequests,
		budget:   newBudget(c.MaxRequests),
		told:     o.Observe,

		namespace: c.Namespace(),
		service:   c.Auth.serviceFor(o),
	}
	credential, err := newCredential(c.Auth, o)
	if err != nil {
		return nil, err
	}
	for _, text := range c.Upstreams {
		u, _ := parseAddress(text) // valid, see above
		e, err := newEndpoint(u, c)
		if err != nil {
			return nil, err
		}
		e.Credential, e.log, e.dial.trust = credential, o.Log, p.key+".tls.ca"
		p.endpoints = append(p.endpoints, e)
	}
	if err := p.openRemotes(c, o); err != nil {
		return nil, err
	}
	return p, p.openStorage(c, o)
}

// newCredential is the one switch over the trust modes.
func newCredential(t Trust, o Options) (Credential, error) {
	switch {
	case t.Mode == ModeNone:
		return none{}, nil
	case !t.checked():
		return unchecked{}, nil
	case t.Mode == ModeBasic:
		password, err := t.password()
		if err != nil {
			return nil, problem.At("auth", err)
		}
		pair := base64.StdEncoding.EncodeToString([]byte(t.Username + ":" + password.Reveal()))
		return basic{"Basic " + pair}, nil
	case o.Minter == nil:
		return nil, errNoMinter
	case t.Mode == ModeToken:
		return minted{newTokens(t.Issuer, t.Service, o)}, nil
	}
	return forwarded{minted{newTokens(o.Issuer, o.Service, o)}, o.Now}, nil
}

// Checked reports whether the gate decides who may do what in this registry.
func (p *Pool) Checked() bool { return p.checked }

// Service is the one that the tokens are for which the registry is shown; "" if
// it is shown none that the gate has signed.
func (p *Pool) Service() string { return p.service }

// Namespace is what a mirror stands for; the zero one for other registries.
func (p *Pool) Namespace() oci.Namespace { return p.namespace }

// Several reports whether a request that one endpoint has failed may go to
// another.
func (p *Pool) Several() bool { return len(p.endpoints) > 1 }

// Enter counts a request from a client in until leave is called, or says why
// the registry shall have no more.
func (p *Pool) Enter(client netip.Addr) (leave func(), reason string) {
	return p.requests.Enter(client)
}

// A State is how an endpoint does.
type State struct {
	Upstream string // the endpoint's name
	Up       bool   // it is sent requests; one that is alone has answered the last one
	Busy     int64  // requests under way
}

// States returns the state of each endpoint.
func (p *Pool) States() []State {
	all := make([]State, len(p.endpoints))
	for i, e := range p.endpoints {
		all[i] = State{e.Name, !e.vitals.down.Load() && e.closed(p.checked) == nil, e.vitals.busy.Load()}
	}
	return all
}

// Inherit makes p begin with what is known of its endpoints from old, the pool
// of the generation before, which may be nil: a reload is no reason to send
// requests to a server that is down, or to close a registry until the next
// probe, and the requests that it has by then count on. What is at another
// address has shown nothing. It is to be called before Run and the first
// request.
func (p *Pool) Inherit(old *Pool) {
	if old == nil {
		return
	}
	for _, e := range p.endpoints {
		before := old.find(e.ID)
		if before == nil {
			continue
		}
		e.vitals = before.vitals
		e.inheritRemote(before)
		if p.most == old.most {
			p.requests = old.requests
		}
		if !p.checked {
			e.proof.CompareAndSwap(unproven, before.proof.Load())
		}
	}
}

func (p *Pool) find(id string) *Endpoint {
	for _, e := range p.endpoints {
		if e.ID == id {
			return e
		}
	}
	return nil
}

// Close ends idle connections. Requests under way run out.
func (p *Pool) Close() {
	for _, e := range p.endpoints {
		e.close()
	}
	if p.others != nil {
		p.others.CloseIdleConnections()
	}
	if p.storage != nil {
		p.storage.Close()
	}
}
