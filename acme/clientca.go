package acme

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/regate/regate/internal/problem"
)

// ClientCAs reads the CAs that ClientCA names, none if it names none. What is
// wrong with the file is at "client_ca".
func (c Config) ClientCAs() ([]*x509.Certificate, error) {
	if c.ClientCA == "" {
		return nil, nil
	}
	var l problem.List
	cas, err := ReadClientCAs(c.ClientCA)
	l.Under("client_ca", err)
	return cas, l.Err()
}

// ReadClientCAs reads a PEM file with the certificates of CAs, of which there
// must be one at least.
func ReadClientCAs(path string) ([]*x509.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	cas, err := parseClientCAs(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return cas, nil
}

// parseClientCAs takes nothing but CAs: crypto/x509 would believe a client's own
// certificate that is among the roots, without anybody above it and for ever.
func parseClientCAs(text []byte) (cas []*x509.Certificate, err error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("holds a %s: put in the certificates of CAs alone", block.Type)
		}
		ca, err := x509.ParseCertificate(block.Bytes)
		switch {
		case err != nil:
			return nil, err
		case !ca.BasicConstraintsValid || !ca.IsCA || ca.KeyUsage != 0 && ca.KeyUsage&x509.KeyUsageCertSign == 0:
			return nil, fmt.Errorf("%s is no CA certificate", ca.Subject)
		}
		cas = append(cas, ca)
	}
	switch {
	case bytes.Contains(text, []byte("-----BEGIN")):
		return nil, errors.New("holds PEM that cannot be read")
	case len(cas) == 0:
		return nil, errors.New("holds no certificate in PEM")
	}
	return cas, nil
}

// asking returns a configuration that asks clients for a certificate below one
// of the CAs; nil if there are none. A client need not have one, but what it
// shows must be good, or the handshake fails: a certificate that has expired
// is to be noticed, and not to make somebody anonymous.
//
// A session that is resumed has the certificate of its first handshake, which
// crypto/tls verifies anew against the CAs of now.
func (m *Manager) asking(cas []*x509.Certificate) *tls.Config {
	if m.tls == nil || len(cas) == 0 {
		return nil
	}
	cfg := m.tls.Clone()
	cfg.GetConfigForClient = nil
	cfg.ClientAuth = tls.VerifyClientCertIfGiven
	cfg.ClientCAs = x509.NewCertPool()
	for _, ca := range cas {
		cfg.ClientCAs.AddCert(ca)
	}
	return cfg
}

// configFor is the tls.Config.GetConfigForClient of the listener. Servers of
// ACME that look for an answer show no certificate.
func (m *Manager) configFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if cfg, err := m.challenges.Config(hello); cfg != nil || err != nil {
		return cfg, err
	}
	return m.clients.Load(), nil
}
