package acme

import (
	"context"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

func (m *Manager) prepareInternal(ctx context.Context, cfg Config) (commit func(), err error) {
	ca, err := m.authority(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := ca.permitsAll(cfg.Hosts); err != nil {
		return nil, err
	}
	return func() { m.adopt(ca, cfg) }, nil
}

// authority is the one that cfg names; mostly the one that is there, so that
// a reload does not need the state.
func (m *Manager) authority(ctx context.Context, cfg Config) (*authority, error) {
	if ca := m.ca.Load(); ca != nil && cfg.Internal.CACert == "" && ca.name == cfg.Internal.Name {
		return ca, nil
	}
	ctx, cancel := context.WithTimeout(ctx, m.managed.every.storage)
	defer cancel()
	return loadAuthority(ctx, m.deps.Store, cfg)
}

func (m *Manager) adopt(ca *authority, cfg Config) {
	log := m.deps.Log
	m.ca.Store(ca)
	if err := publish(m.deps.CAFile, ca.pem()); err != nil {
		log.Error("the CA's certificate cannot be written", zap.Error(err))
	}
	if time.Until(ca.cert.NotAfter) < 365*24*time.Hour {
		log.Warn("the CA ends within a year: make another with a new tls.internal.name", zap.Time("not_after", ca.cert.NotAfter))
	}
	m.managed.follow(internalPlan(ca, cfg))
}

func internalPlan(ca *authority, cfg Config) *plan {
	i := issuer{ca: ca, hosts: cfg.Hosts, lifetime: cfg.Internal.Lifetime}
	p := &policy{issuers: []certmagic.Issuer{i}, ratio: 1.0 / 3}
	return newPlan(cfg.Hosts, func(string) *policy { return p }, false)
}
