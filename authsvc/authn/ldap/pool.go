package ldap

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/regate/regate/authsvc/authn"
)

const (
	maxIdle    = time.Minute     // firewalls forget a connection that nobody uses
	maxLife    = 5 * time.Minute // and the first server is to be used again some time
	maxWaiting = 256
)

// A pool has connections that are all made ready in the same way.
type pool struct {
	servers  []*server // in the order in which they are tried
	prepare  func(context.Context, *conn) error
	patience time.Duration // of those who wait for a connection
	slots    chan struct{} // one for each connection
	waiting  atomic.Int64

	mu     sync.Mutex // guards all below
	idle   []*conn    // the one used last at the end
	closed bool
}

func newPool(cfg Config, servers []*server, prepare func(context.Context, *conn) error) *pool {
	return &pool{
		servers: servers, prepare: prepare,
		patience: cfg.ConnectTimeout + cfg.Timeout,
		slots:    make(chan struct{}, cfg.PoolSize),
	}
}

// do has use work with a connection: one that is there, and if that turns out
// to be dead, or its server not to answer, with a new one to each server that
// might. So use may be called again, and begins anew then.
func (p *pool) do(ctx context.Context, use func(context.Context, *conn) error) error {
	if err := p.enter(ctx); err != nil {
		return err
	}
	defer func() { <-p.slots }()
	if c := p.take(); c != nil {
		settled, err := p.work(ctx, c, use)
		if settled {
			return err
		}
		if errors.Is(err, errSlow) || !c.broken { // and was not merely closed meanwhile
			c.server.failed(err)
		}
	}
	return p.anew(ctx, use)
}

// anew tries the servers that do not rest. The error is that of all of them.
func (p *pool) anew(ctx context.Context, use func(context.Context, *conn) error) error {
	var failures []error
	for _, s := range p.servers {
		err := s.try(time.Now())
		if err == nil {
			var settled bool
			if settled, err = p.first(ctx, s, use); settled {
				return err
			}
			s.failed(err)
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// first works with a new connection to a server.
func (p *pool) first(ctx context.Context, s *server, use func(context.Context, *conn) error) (settled bool, err error) {
	c, err := s.dial(ctx, p.prepare)
	if err == nil {
		return p.work(ctx, c, use)
	}
	if ctx.Err() != nil {
		s.release()
		return true, ctx.Err()
	}
	return false, err
}

// work uses a connection and keeps it for the next one. It is settled if the
// server answered, or whoever asked has left.
func (p *pool) work(ctx context.Context, c *conn, use func(context.Context, *conn) error) (settled bool, err error) {
	err = use(ctx, c)
	p.put(c)
	switch {
	case ctx.Err() != nil:
		c.server.release()
		return true, err
	case errors.Is(err, errGroupsSlow): // a new connection would be no faster
		return true, err
	case c.broken && err != nil, ldap.IsErrorAnyOf(err, ldap.LDAPResultBusy, ldap.LDAPResultUnavailable):
		return false, err
	}
	c.server.works()
	return true, err
}

// enter waits for a slot, but not for ever, and not with everybody.
func (p *pool) enter(ctx context.Context) error {
	select {
	case p.slots <- struct{}{}:
		return nil
	default:
	}
	patience := time.NewTimer(p.patience)
	defer patience.Stop()
	defer p.waiting.Add(-1)
	if p.waiting.Add(1) > maxWaiting {
		return authn.ErrBusy
	}
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-patience.C:
		return authn.ErrBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take returns a connection that can be used as far as one can see, or nil.
func (p *pool) take() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		last := len(p.idle) - 1
		c := p.idle[last]
		p.idle = p.idle[:last]
		c.expiry.Stop()
		if c.usable() {
			return c
		}
		c.close()
	}
	return nil
}

// put keeps a connection for the next one, for a while.
func (p *pool) put(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || !c.usable() {
		c.close()
		return
	}
	p.idle = append(p.idle, c)
	c.expiry = time.AfterFunc(maxIdle, func() { p.drop(c) })
}

// drop closes a connection that nobody has used, unless somebody just does.
func (p *pool) drop(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.idle, c); i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
		c.close()
	}
}

// close ends idle connections; those in use end when they are put back.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.idle {
		c.expiry.Stop()
		c.close()
	}
	p.idle = nil
}
