package acme

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/mholt/acmez/v3"

	"github.com/regate/regate/acme/client"
	"github.com/regate/regate/internal/problem"
)

// prepareACME reads the files of mode acme. It asks no CA.
func (m *Manager) prepareACME(cfg Config) (commit func(), err error) {
	next, err := m.readAuthorities(cfg.ACME)
	if err != nil {
		var l problem.List
		l.Under("acme", err)
		return nil, l.Err()
	}
	p := newPlan(cfg.Hosts, next.policy, true)
	return func() {
		if m.authorities.Swap(next) == next && slices.Equal(m.managed.plan.Load().hosts, p.hosts) {
			return // some other section of the configuration has changed
		}
		m.managed.follow(p)
	}, nil
}

// readAuthorities are those that cfg names; the ones that are there if nothing
// has changed.
func (m *Manager) readAuthorities(cfg ACME) (*authorities, error) {
	var l problem.List
	next, err := readAuthorities(cfg)
	l.Under("", err)
	if live := m.authorities.Load(); live != nil && live.sum == next.sum && err == nil {
		return live, nil
	}
	solvers, err := m.solvers(cfg)
	l.Under("dns", err)
	next.parts = client.Parts{Storage: m.managed.storage, Solvers: solvers, Proof: cfg.proof(), Log: m.deps.Log.Named("client")}
	next.failed = m.managed.missed
	return next, l.Err()
}

// solvers are how CAs see that a host leads here: in the DNS alone, or at the
// gate's own listeners.
func (m *Manager) solvers(cfg ACME) (map[string]acmez.Solver, error) {
	if cfg.DNS != nil {
		s, err := newDNSSolver(*cfg.DNS, m.deps.Log.Named("dns"))
		return map[string]acmez.Solver{challengeDNS: s}, err
	}
	types := cfg.Challenges
	if !m.deps.HTTP {
		types = slices.DeleteFunc(slices.Clone(types), func(t string) bool { return t == challengeHTTP })
	}
	return m.challenges.Solvers(types...), nil
}

// ServeChallenge answers r, which came in on port 80, if a CA sent it to see
// whether a host leads here (RFC 8555 8.3). It reports whether it did. Requests
// of others take no more than a look into memory.
func (m *Manager) ServeChallenge(w http.ResponseWriter, r *http.Request) bool {
	return m.challenges.ServeHTTP01(w, r, hostOnly(r.Host))
}

// hostOnly is the canonical host of a Host header.
func hostOnly(header string) string {
	if a, err := netip.ParseAddrPort(header); err == nil {
		return canonical(a.Addr().String())
	}
	host, _, _ := strings.Cut(header, ":")
	if strings.HasPrefix(header, "[") {
		host = strings.Trim(header, "[]")
	}
	return canonical(host)
}
