package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/regate/regate/internal/problem"
)

// load reads the files of t for connections to host.
func (t TLS) load(host string) (*tls.Config, error) {
	cfg := &tls.Config{
		ServerName: host,
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		// Every write to a registry has a connection of its own.
		ClientSessionCache: tls.NewLRUClientSessionCache(0),
		// Bodies are large: start with whole records.
		DynamicRecordSizingDisabled: true,
	}
	if t.ServerName != "" {
		cfg.ServerName = t.ServerName
	}
	if t.CA != "" {
		cfg.RootCAs = x509.NewCertPool()
		if err := t.addTo(cfg.RootCAs); err != nil {
			return nil, err
		}
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, problem.At("tls.cert", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

func (t TLS) addTo(pool *x509.CertPool) error {
	pem, err := os.ReadFile(t.CA)
	if err != nil {
		return problem.At("tls.ca", err)
	}
	if !pool.AppendCertsFromPEM(pem) {
		return problem.At("tls.ca", fmt.Errorf("%s holds no certificate", t.CA))
	}
	return nil
}

// withSystem are the CAs of t and those of the system; nil is the system's
// alone.
func (t TLS) withSystem() (*x509.CertPool, error) {
	if t.CA == "" {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a system that has none
	}
	return pool, t.addTo(pool)
}

// trusts adds to the error of a connection which key has the CA, if that is what
// is missing.
func trusts(err error, key string) error {
	if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); unknown {
		return fmt.Errorf("%w; %s is for the CA that has signed it", err, key)
	}
	return err
}
