package acme

import (
	"context"
	"crypto/tls"
	"slices"

	"github.com/caddyserver/certmagic"
)

func (m *managed) load(ctx context.Context, certPath, keyPath string) (*tls.Certificate, error) {
	certPEM, err := m.storage.Load(ctx, certPath)
	if err != nil {
		return nil, err
	}
	keyPEM, err := m.storage.Load(ctx, keyPath)
	if err != nil {
		return nil, err
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	return &cert, err
}

// place puts a certificate on the shelf that certmagic's cache may not have yet.
func (m *managed) place(host string, cert *tls.Certificate) {
	m.placing.Lock()
	defer m.placing.Unlock()
	m.fresh[host] = cert.Leaf
	m.put(host, cert)
}

// collect puts on the shelf what certmagic has in its cache for hosts, such as
// what another replica renewed.
func (m *managed) collect(hosts []string) {
	for _, host := range hosts {
		var best *tls.Certificate
		for _, c := range m.cached(host) {
			if best == nil || c.Leaf.NotAfter.After(best.Leaf.NotAfter) {
				best = &c.Certificate
			}
		}
		if best != nil {
			m.placeCached(host, best)
		}
	}
}

// placeCached does nothing if certmagic's cache has yet to get what was
// obtained for host last: the shelf would go back to what was before.
func (m *managed) placeCached(host string, cert *tls.Certificate) {
	m.placing.Lock()
	defer m.placing.Unlock()
	if fresh := m.fresh[host]; fresh != nil && !fresh.Equal(cert.Leaf) && !cert.Leaf.NotBefore.After(fresh.NotBefore) {
		return
	}
	delete(m.fresh, host)
	m.put(host, cert)
}

// unplace forgets what was obtained for host.
func (m *managed) unplace(host string) {
	m.placing.Lock()
	defer m.placing.Unlock()
	delete(m.fresh, host)
}

// put gives host the certificate, and the hosts that host covers. Another
// replica may have got it, so an attempt of ours that failed is over too.
func (m *managed) put(host string, cert *tls.Certificate) {
	if m.shelf.put(host, cert) {
		m.settle(host)
	}
	for _, h := range m.plan.Load().covers[host] {
		m.shelf.put(h, cert)
	}
}

// cached are host's own certificates in certmagic's cache.
func (m *managed) cached(host string) []certmagic.Certificate {
	return slices.DeleteFunc(m.cache.AllMatchingCertificates(host), func(c certmagic.Certificate) bool {
		return !slices.Contains(c.Names, host)
	})
}
