package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"path"
	"slices"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// standIn serves what is stored for host until certmagic has looked for itself,
// which it does behind our back: handshakes come at once. That may be one that
// an earlier CA has issued. After a restart certmagic knows of none but those of
// the CAs that host has now, and a CA that is down, or a misspelt account, would
// otherwise take a host away that has months left.
func (m *managed) standIn(ctx context.Context, host string, now []string) {
	if len(m.shelf.view.Load().certs[host]) > 0 {
		return
	}
	issuers, err := m.storage.List(ctx, "certificates", false)
	if err != nil {
		return // there are none, or the state has a trouble of its own
	}
	var best *tls.Certificate
	earlier := true
	for _, dir := range issuers {
		cert := m.usable(ctx, dir, host)
		if cert == nil {
			continue
		}
		if slices.Contains(now, path.Base(dir)) {
			best, earlier = cert, false
			break
		}
		if best == nil || cert.Leaf.NotAfter.After(best.Leaf.NotAfter) {
			best = cert
		}
	}
	if best == nil {
		return
	}
	// certmagic may have found or ordered a better one by now.
	standsIn := m.shelf.offer(host, best)
	for _, h := range m.plan.Load().covers[host] {
		m.shelf.offer(h, best)
	}
	if !standsIn || !earlier {
		return
	}
	m.log.Info("certificate of an earlier CA stands in", zap.String("host", host), zap.Time("not_after", best.Leaf.NotAfter))
}

// usable is the certificate for host in the directory of an issuer, nil if
// there is none that clients would take today.
func (m *managed) usable(ctx context.Context, issuer, host string) *tls.Certificate {
	site := path.Join(issuer, certmagic.StorageKeys.Safe(host))
	b, _, err := m.storage.loadBundle(ctx, site)
	if err != nil {
		return nil
	}
	cert, err := tls.X509KeyPair(b["crt"], b["key"])
	if err != nil || !validFor(cert.Leaf, host, time.Now()) {
		return nil
	}
	return &cert
}

func validFor(leaf *x509.Certificate, host string, at time.Time) bool {
	names := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	return slices.Contains(canonicalAll(names), host) && !at.Before(leaf.NotBefore) && at.Before(leaf.NotAfter)
}
