package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
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

// Run looks after the endpoints until ctx is done: it probes those that are to
// be, and follows the addresses of names. If there is nothing to do, it returns
// at once.
func (p *Pool) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, e := range p.endpoints {
		if !p.checked {
			all.Go(func() { e.prove(ctx) })
		}
		if !e.health.Off {
			all.Go(func() { e.watch(ctx) })
		}
		if e.dial.names != nil {
			all.Go(func() { e.follow(ctx) })
		}
	}
	all.Wait()
}

// prove asks a registry that is not checked from time to time.
func (e *Endpoint) prove(ctx context.Context) {
	every(ctx, probeInterval, func() {
		if err := e.challenge(ctx); err != nil && ctx.Err() == nil {
			e.log.Warn("probe failed", zap.String("upstream", e.Name), zap.Error(err))
		}
	})
}

// watch probes whether a server is up. Gates that were started together do not
// ask together for long.
func (e *Endpoint) watch(ctx context.Context) {
	every(ctx, e.health.Interval, func() {
		err := e.ask(ctx)
		if ctx.Err() == nil {
			e.tell(e.vitals.probed(e.health, err == nil), err)
		}
	})
}

// every calls do now and then again, a tenth of the time later or earlier,
// until ctx is done.
func every(ctx context.Context, interval time.Duration, do func()) {
	for {
		do()
		wait := interval*9/10 + rand.N(interval/5)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// ask is a probe of health.
func (e *Endpoint) ask(ctx context.Context) error {
	status, err := e.get(ctx, e.health.Path, e.health.Timeout)
	if err == nil && status >= http.StatusInternalServerError {
		err = fmt.Errorf("answered %d to GET %s", status, e.health.Path)
	}
	return err
}

// Probe asks a registry that is not checked for /v2/ without credentials, and
// closes what grants that: it would be open to the world. It stays closed
// until a later probe is turned away. An error is a registry that could not be
// asked or answered neither way, which changes nothing.
func (p *Pool) Probe(ctx context.Context) error {
	if p.checked {
		return nil
	}
	var errs []error
	for _, e := range p.endpoints {
		errs = append(errs, e.challenge(ctx))
	}
	return errors.Join(errs...)
}

// challenge is Probe for one of its servers.
func (e *Endpoint) challenge(ctx context.Context) error {
	status, err := e.get(ctx, "/v2/", probeTimeout)
	switch {
	case err != nil:
		return err
	case status == http.StatusUnauthorized:
		e.proof.Store(open)
	case status == http.StatusOK:
		if e.proof.Swap(closed) != closed {
			e.log.Error("registry closed", zap.String("upstream", e.Name), zap.Error(errOpen))
		}
	default:
		return errors.New("the registry answered " + http.StatusText(status) + " to GET /v2/")
	}
	return nil
}

// get asks for a path without credentials. It is no request that passive
// health counts: what it finds, its caller judges.
func (e *Endpoint) get(ctx context.Context, path string, timeout time.Duration) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	out := (&http.Request{Method: http.MethodGet, URL: e.Target(path, ""), Header: http.Header{}}).WithContext(ctx)
	res, err := e.reads.Load().RoundTrip(out)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, headerBytes) // so that the connection can be used again
	return res.StatusCode, nil
}
