package acme

import (
	"context"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	rfc8555 "github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"

	"github.com/regate/regate/acme/dns"
)

// A dnsSolver writes the records of DNS-01. It marks what goes wrong before the
// CA has looked for one, so that the CA is not blamed for it.
type dnsSolver struct{ *certmagic.DNS01Solver }

// newDNSSolver reads the files that cfg names, which must be valid. The paths
// of its error are below cfg.
func newDNSSolver(cfg dns.Config, log *zap.Logger) (acmez.Solver, error) {
	p, err := dns.New(cfg, log)
	if err != nil {
		return nil, err
	}
	return dnsSolver{&certmagic.DNS01Solver{DNSManager: certmagic.DNSManager{
		DNSProvider:        p.Provider,
		TTL:                p.TTL,
		PropagationDelay:   p.Delay,
		PropagationTimeout: p.Timeout,
		Resolvers:          p.Resolvers,
		OverrideDomain:     p.Delegate,
		Logger:             log,
	}}}, nil
}

// Present implements acmez.Solver.
func (s dnsSolver) Present(ctx context.Context, c rfc8555.Challenge) error {
	return ofRecord(s.DNS01Solver.Present(ctx, c))
}

// Wait implements acmez.Waiter.
func (s dnsSolver) Wait(ctx context.Context, c rfc8555.Challenge) error {
	return ofRecord(s.DNS01Solver.Wait(ctx, c))
}

// A recordError is why a record could not be written, or not be seen.
type recordError struct{ err error }

func ofRecord(err error) error {
	if err == nil {
		return nil
	}
	return recordError{err}
}

func (e recordError) Error() string { return e.err.Error() }
func (e recordError) Unwrap() error { return e.err }
