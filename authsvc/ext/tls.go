package ext

import (
	"crypto/tls"
	"crypto/x509"
	"os"

	"github.com/regate/regate/internal/problem"
)

// load reads the files of t.
func (t TLS) load() (*tls.Config, error) {
	var l problem.List
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		l.Under("ca", err)
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) && err == nil {
			l.Addf("ca", "%s holds no certificate", t.CA)
		}
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		l.Under("cert", err)
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, l.Err()
}
