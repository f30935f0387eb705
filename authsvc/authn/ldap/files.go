package ldap

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/authn"
)

// passwordIn reads the password of BindDN, without the white space that
// editors leave at its end. Other than docker_auth's, it is read once: when it
// changes, there is another generation.
func passwordIn(cfg Config) (authn.Secret, error) {
	if cfg.BindPasswordFile == "" || cfg.InitialBindAsUser {
		return "", nil
	}
	text, err := os.ReadFile(cfg.BindPasswordFile)
	if err != nil {
		return "", err
	}
	if text = bytes.TrimSpace(text); len(text) == 0 {
		return "", fmt.Errorf("%s is empty", cfg.BindPasswordFile)
	}
	return authn.Secret(text), nil
}

func rootsIn(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil // those of the system
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no PEM certificate", file)
	}
	return roots, nil
}

func (c Config) servers(roots *x509.CertPool, log *zap.Logger) (all []*server) {
	for _, addr := range c.Addrs {
		s := &server{addr: addr, mode: c.tlsOf(addr), connect: c.ConnectTimeout, timeout: c.Timeout, log: log}
		if s.mode != tlsNone {
			host, _, _ := net.SplitHostPort(addr)
			s.tls = &tls.Config{
				ServerName:         host,
				RootCAs:            roots,
				InsecureSkipVerify: c.InsecureTLSSkipVerify, // which check warns of
				MinVersion:         tls.VersionTLS12,
			}
		}
		all = append(all, s)
	}
	return all
}
