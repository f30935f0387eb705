package idp

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/problem"
)

// newClient reads the files of cfg.
func newClient(cfg Client, l line, ca string) (client, error) {
	var wrong problem.List
	secret, err := cfg.secret()
	wrong.Under("client_secret_file", err)
	roots, err := rootsIn(ca)
	wrong.Under("ca_certificate", err)
	l.roots, l.timeout = roots, cfg.HTTPTimeout
	return client{id: cfg.ClientID, secret: secret, http: l.client()}, wrong.Err()
}

// secret is the client secret, without the white space that editors leave at
// the end of its file. When the file changes, there is another generation.
func (c Client) secret() (authn.Secret, error) {
	if c.ClientSecretFile == "" {
		return c.ClientSecret, nil
	}
	text, err := os.ReadFile(c.ClientSecretFile)
	if err != nil {
		return "", err
	}
	if text = bytes.TrimSpace(text); len(text) == 0 {
		return "", fmt.Errorf("%s is empty", c.ClientSecretFile)
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

func set(names []string) map[string]bool {
	s := make(map[string]bool)
	for _, n := range names {
		s[n] = true
	}
	return s
}
