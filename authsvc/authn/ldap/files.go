package ldap

import (
	"crypto/tls"
	"crypto/x509"
	"net"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/authn"
)

// passwordIn reads the password of BindDN, other than docker_auth's once.
func passwordIn(cfg Config) (authn.Secret, error) {
	if cfg.InitialBindAsUser {
		return "", nil
	}
	return authn.ReadSecret(cfg.BindPasswordFile, "")
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
