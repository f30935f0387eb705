package upstream

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/regate/regate/internal/connlimit"
)

// A Pool is the servers of one registry. Its methods may be called by several
// goroutines at once.
type Pool struct {
	log      *zap.Logger
	endpoint *Endpoint
	checked  bool
	requests *connlimit.Limiter
	most     int           // of requests
	state    atomic.Uint32 // of a registry that is not checked: unproven, open, closed
}

// Options are what a Pool needs besides its configuration.
type Options struct {
	// Minter signs tokens for registries. It may be nil if none wants one.
	Minter Minter
	// Issuer and Service are those of the tokens that clients hold, which a
	// registry of mode forward trusts.
	Issuer, Service string
	// Requests makes what bounds those that the registry has. Nil is no bound.
	Requests func(most int) *connlimit.Limiter
	// Log may be nil.
	Log *zap.Logger
}

// errNoMinter is a mistake of whoever joins the parts.
var errNoMinter = errors.New("nobody is there to sign tokens for the registry")

// New opens what c names and connects to nothing yet.
func New(c Config, o Options) (*Pool, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	u, _ := parseAddress(c.Upstreams[0]) // valid, see above
	e, err := newEndpoint(u, c)
	if err != nil {
		return nil, err
	}
	if e.Credential, err = newCredential(c.Auth, o); err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	if o.Requests == nil {
		o.Requests = func(int) *connlimit.Limiter { return connlimit.New(connlimit.Limits{}, connlimit.Deps{}) }
	}
	p := &Pool{log: o.Log, endpoint: e, checked: c.Checked(), requests: o.Requests(c.MaxRequests), most: c.MaxRequests}
	if p.log == nil {
		p.log = zap.NewNop()
	}
	return p, nil
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
			return nil, err
		}
		pair := base64.StdEncoding.EncodeToString([]byte(t.Username + ":" + password.Reveal()))
		return basic{"Basic " + pair}, nil
	case o.Minter == nil:
		return nil, errNoMinter
	case t.Mode == ModeToken:
		return minted{newTokens(t.Issuer, t.Service, o.Minter)}, nil
	}
	return forwarded{minted{newTokens(o.Issuer, o.Service, o.Minter)}}, nil
}

// Checked reports whether the gate decides who may do what in this registry.
func (p *Pool) Checked() bool { return p.checked }

// Enter counts a request from a client in until leave is called, or says why
// the registry shall have no more.
func (p *Pool) Enter(client netip.Addr) (leave func(), reason string) {
	return p.requests.Enter(client)
}

// Pick returns the endpoint for one request. The caller calls done when the
// answer is over. An error means that no endpoint may be used now.
func (p *Pool) Pick() (e *Endpoint, done func(), err error) {
	if err := p.closed(); err != nil {
		return nil, nil, err
	}
	p.endpoint.busy.Add(1)
	return p.endpoint, p.endpoint.release, nil
}

// A State is how an endpoint does.
type State struct {
	Upstream string // the endpoint's name
	Up       bool   // the last request was answered, whatever the answer
	Busy     int64  // requests under way
}

// States returns the state of each endpoint.
func (p *Pool) States() []State {
	e := p.endpoint
	return []State{{Upstream: e.Name, Up: !e.down.Load() && p.closed() == nil, Busy: e.busy.Load()}}
}

// Close ends idle connections. Requests under way run out.
func (p *Pool) Close() { p.endpoint.close() }
