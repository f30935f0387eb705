package idp

import (
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/problem"
)

// newClient reads the files of cfg.
func newClient(cfg Client, l line, ca string) (client, error) {
	var wrong problem.List
	secret, err := authn.ReadSecret(cfg.ClientSecretFile, cfg.ClientSecret)
	wrong.Under("client_secret_file", err)
	roots, err := authn.ReadRoots(ca)
	wrong.Under("ca_certificate", err)
	l.roots, l.timeout = roots, cfg.HTTPTimeout
	return client{id: cfg.ClientID, secret: secret, http: l.client()}, wrong.Err()
}

func set(names []string) map[string]bool {
	s := make(map[string]bool)
	for _, n := range names {
		s[n] = true
	}
	return s
}
