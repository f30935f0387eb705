package acme

import (
	"crypto/x509"
	"slices"
	"time"

	"github.com/caddyserver/certmagic"
)

// A plan is for which hosts certificates are wanted and who issues them. It
// never changes.
type plan struct {
	hosts  []string            // that are served, canonical
	wants  map[string]*policy  // by host that gets a certificate of its own
	covers map[string][]string // by wildcard, the hosts that its certificate serves too
}

// A policy is how hosts of one kind get certificates.
type policy struct {
	issuers []certmagic.Issuer // asked in this order
	ratio   float64            // of a lifetime that is left when a certificate is renewed
	online  bool               // the issuers are elsewhere, and say when they want to renew
	public  bool               // one of them is for everybody, and counts what fails
}

// regular is how long certmagic keeps a certificate that comes now, unless the
// CA says otherwise. Some are backdated so far that they are due at once, though
// they have some time left.
func (p *policy) regular(leaf *x509.Certificate, now time.Time) time.Duration {
	left := leaf.NotAfter.Sub(now)
	window := time.Duration(p.ratio * float64(leaf.NotAfter.Sub(leaf.NotBefore)))
	return max(left-window, left/3)
}

func (p *policy) issuerKeys() []string {
	var keys []string
	if p != nil {
		for _, i := range p.issuers {
			keys = append(keys, i.IssuerKey())
		}
	}
	return keys
}

// newPlan wants for each host what want says of it, and nothing for those that
// a wildcard of the plan covers if spare is true: CAs limit how many
// certificates they sign for a domain.
func newPlan(hosts []string, want func(host string) *policy, spare bool) *plan {
	p := &plan{hosts: hosts, wants: map[string]*policy{}, covers: map[string][]string{}}
	for _, h := range hosts {
		if w := wildcard(h); spare && w != h && slices.Contains(hosts, w) {
			p.covers[w] = append(p.covers[w], h)
			continue
		}
		p.wants[h] = want(h)
	}
	return p
}

// sameIssuers reports whether both plans have host's certificates from the same
// CAs, so that one that is there can stay.
func (p *plan) sameIssuers(other *plan, host string) bool {
	return slices.Equal(p.wants[host].issuerKeys(), other.wants[host].issuerKeys())
}

// sameOrder reports whether an order of the one plan for host is that of the
// other too: they ask the same CAs in the same way.
func (p *plan) sameOrder(other *plan, host string) bool {
	return p.wants[host] == other.wants[host]
}
