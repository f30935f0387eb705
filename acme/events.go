package acme

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"

	"go.uber.org/zap"
)

// onEvent hears from certmagic. Its error would stop certmagic.
func (m *managed) onEvent(ctx context.Context, p *plan, event string, data map[string]any) error {
	if !slices.Equal(p.issuerKeys(), m.plan.Load().issuerKeys()) {
		return nil // the last words of a job that was cancelled
	}
	switch event {
	case "cert_obtained":
		m.obtained(ctx, data)
	case "cert_failed":
		m.setReason(data["identifier"].(string), fmt.Sprint(data["error"]))
	case "cached_managed_cert":
		m.collect(data["sans"].([]string))
	}
	return nil
}

// obtained puts a certificate on the shelf that certmagic has just stored. For
// a renewed one there is no event once it is in certmagic's cache.
func (m *managed) obtained(ctx context.Context, data map[string]any) {
	host := data["identifier"].(string)
	m.setReason(host, "")
	cert, err := m.load(ctx, data["certificate_path"].(string), data["private_key_path"].(string))
	if err != nil {
		m.log.Warn("new certificate cannot be read back yet", zap.String("host", host), zap.Error(err))
		return
	}
	m.shelf.put(host, cert)
	m.log.Info("certificate obtained", zap.String("host", host), zap.Any("renewal", data["renewal"]),
		zap.Any("issuer", data["issuer"]), zap.Time("not_after", cert.Leaf.NotAfter))
}

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

// collect puts on the shelf what certmagic has in its cache for hosts, such as
// what another replica renewed.
func (m *managed) collect(hosts []string) {
	for _, host := range hosts {
		var best *tls.Certificate
		for _, c := range m.cache.AllMatchingCertificates(host) {
			if slices.Contains(c.Names, host) && (best == nil || c.Leaf.NotAfter.After(best.Leaf.NotAfter)) {
				best = &c.Certificate
			}
		}
		if best != nil {
			m.shelf.put(host, best)
		}
	}
}

func (m *managed) setReason(host, reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reasons[host] = reason
}

// reason is why host has no certificate, or no newer one; "" if nothing failed.
func (m *managed) reason(host string) string {
	m.mu.Lock()
	reason := m.reasons[host]
	m.mu.Unlock()
	if err := m.storage.trouble(); reason == "" && err != nil {
		return "state cannot be asked: " + err.Error()
	}
	return reason
}
