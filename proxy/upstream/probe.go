package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"go.uber.org/zap"
)

// The states of a registry that checks its clients itself.
const (
	unproven uint32 = iota // nobody has asked it yet
	open                   // it turned a stranger away
	closed                 // it let a stranger in
)

var (
	errUnproven = errors.New("the registry has not shown yet that it asks for credentials")
	errOpen     = errors.New("the registry lets everybody in, and the gate is told not to check (check: false)")
)

// probeTimeout bounds a probe, and probeInterval is the time between two.
const (
	probeTimeout  = 10 * time.Second
	probeInterval = 10 * time.Second
)

// closed says why the registry must not be used; nil if it may be.
func (p *Pool) closed() error {
	if p.checked {
		return nil
	}
	switch p.state.Load() {
	case open:
		return nil
	case closed:
		return errOpen
	}
	return errUnproven
}

// Inherit makes p begin with what is known of its registry from old, the pool
// of the generation before, which may be nil: a reload is no reason to close a
// registry until the next probe, and the requests that it has by then count on.
// What is at another address has shown nothing, and of what the gate checks
// nothing is known. It is to be called before Run and the first request.
func (p *Pool) Inherit(old *Pool) {
	if old == nil || !p.endpoint.same(old.endpoint) {
		return
	}
	if p.most == old.most {
		p.requests = old.requests
	}
	if !p.checked {
		p.state.CompareAndSwap(unproven, old.state.Load())
	}
}

// Run probes the registry now and from time to time until ctx is done. A
// registry that the gate checks needs none of it: Run returns at once.
func (p *Pool) Run(ctx context.Context) {
	if p.checked {
		return
	}
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	for {
		if err := p.Probe(ctx); err != nil && ctx.Err() == nil {
			p.log.Warn("probe failed", zap.String("upstream", p.endpoint.Name), zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Probe asks a registry that is not checked for /v2/ without credentials, and
// closes it if that is granted: it would be open to the world. It stays closed
// until a later probe is turned away. An error is a registry that could not be
// asked or answered neither way, which changes nothing.
func (p *Pool) Probe(ctx context.Context) error {
	if p.checked {
		return nil
	}
	status, err := p.ping(ctx)
	switch {
	case err != nil:
		return err
	case status == http.StatusUnauthorized:
		p.state.Store(open)
	case status == http.StatusOK:
		if p.state.Swap(closed) != closed {
			p.log.Error("registry closed", zap.String("upstream", p.endpoint.Name), zap.Error(errOpen))
		}
	default:
		return errors.New("the registry answered " + http.StatusText(status) + " to GET /v2/")
	}
	return nil
}

func (p *Pool) ping(ctx context.Context) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	out := (&http.Request{Method: http.MethodGet, URL: p.endpoint.Target("/v2/", ""), Header: http.Header{}}).WithContext(ctx)
	res, err := p.endpoint.RoundTrip(out)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, headerBytes) // so that the connection can be used again
	return res.StatusCode, nil
}
