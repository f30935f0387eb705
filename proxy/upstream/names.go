package upstream

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

const (
	lookUpInterval = 30 * time.Second
	lookUpTimeout  = 5 * time.Second
	headStart      = 250 * time.Millisecond // of one address before the next (RFC 8305 5)
	mostAddresses  = 32
)

// names are the addresses of one host. All of them are one server as far as
// balance and health go; connections go to them in turns.
type names struct {
	host   string
	lookUp func(ctx context.Context, host string) ([]netip.Addr, error)
	turns  atomic.Uint32

	mu    sync.Mutex // guards what follows
	known []netip.Addr
}

func lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// follow looks the host up from time to time, until ctx is done. When an
// address has gone, connections to it are used for what is under way alone.
func (e *Endpoint) follow(ctx context.Context) {
	every(ctx, lookUpInterval, func() {
		gone, err := e.dial.names.refresh(ctx)
		switch {
		case err != nil && ctx.Err() == nil: // those that are known will do
			e.log.Warn("look-up failed", zap.String("upstream", e.Name), zap.Error(err))
		case gone:
			e.log.Info("addresses changed", zap.String("upstream", e.Name))
			e.renew()
		}
	})
}

// renew leaves all idle connections behind, and those that become idle.
func (e *Endpoint) renew() {
	old := e.reads.Load()
	e.reads.Store(old.Clone())
	old.CloseIdleConnections()
}

// refresh looks the host up, and reports whether an address has gone.
func (n *names) refresh(ctx context.Context) (gone bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	found, err := n.lookUp(ctx, n.host)
	if err != nil {
		return false, err
	}
	if len(found) == 0 {
		return false, &net.DNSError{Err: "no address", Name: n.host, IsNotFound: true}
	}
	found = found[:min(len(found), mostAddresses)]
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range n.known {
		gone = gone || !slices.Contains(found, a)
	}
	n.known = found
	return gone, nil
}

// addresses are those that are known, looked up if there are none.
func (n *names) addresses(ctx context.Context) ([]netip.Addr, error) {
	n.mu.Lock()
	known := n.known
	n.mu.Unlock()
	if len(known) > 0 {
		return known, nil
	}
	if _, err := n.refresh(ctx); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.known, nil
}

// dial connects to the next of the addresses, or to the one after it if that
// takes too long. If none can be had, there may be new ones.
func (n *names) dial(ctx context.Context, port string) (net.Conn, error) {
	known, err := n.addresses(ctx)
	if err != nil {
		return nil, err
	}
	connect := func(ctx context.Context, a netip.Addr) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(a.String(), port))
	}
	c, err := race(ctx, n.order(known), connect)
	if err == nil || ctx.Err() != nil {
		return c, err
	}
	if _, failed := n.refresh(ctx); failed != nil {
		return nil, err
	}
	fresh, _ := n.addresses(ctx)
	if slices.Equal(fresh, known) {
		return nil, err
	}
	return race(ctx, n.order(fresh), connect)
}

// order begins with another address each time, and lets the families take
// turns, beginning with the one that the system prefers (RFC 8305 4).
func (n *names) order(all []netip.Addr) []netip.Addr {
	var first, second []netip.Addr
	for _, a := range all {
		if a.Unmap().Is4() == all[0].Unmap().Is4() {
			first = append(first, a)
		} else {
			second = append(second, a)
		}
	}
	turn := int(n.turns.Add(1) - 1)
	ordered := make([]netip.Addr, 0, len(all))
	for i := range max(len(first), len(second)) {
		for _, family := range [...][]netip.Addr{first, second} {
			if i < len(family) {
				ordered = append(ordered, family[(turn+i)%len(family)])
			}
		}
	}
	return ordered
}

// race connects to the first address that lets it. Each begins when the one
// before has failed, or has had its head start.
func race(ctx context.Context, all []netip.Addr, connect func(context.Context, netip.Addr) (net.Conn, error)) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		c   net.Conn
		err error
	}
	results := make(chan result)
	try := func(a netip.Addr) {
		c, err := connect(ctx, a)
		select {
		case results <- result{c, err}:
		case <-ctx.Done(): // another one has won
			if c != nil {
				_ = c.Close()
			}
		}
	}
	var errs []error
	for next, running := 0, 0; next < len(all) || running > 0; {
		var late <-chan time.Time
		if next < len(all) {
			go try(all[next])
			next++
			running++
		}
		if next < len(all) {
			late = time.After(headStart)
		}
		select {
		case r := <-results:
			if r.err == nil {
				return r.c, nil
			}
			running--
			errs = append(errs, r.err)
		case <-late:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return nil, errors.Join(errs...)
}
