// Package dns puts the TXT records of the DNS-01 challenge (RFC 8555 8.4) into
// a zone and takes them out again.
//
// In go the section tls.acme.dns of the configuration and the files that it
// names; out comes a Provider for that kind of server or service, and how long
// to wait for what it wrote. The package does not know ACME: which record is
// wanted, in which zone it is, and when it can be seen, is for certmagic to
// find. It is the only one that imports libdns and its providers. What New
// makes lives as long as a generation of the configuration.
//
// rfc2136 and exec are tested against a real server and a real program.
// cloudflare and route53 need an account to be tested with, and nobody has
// done that: they compile, and what they are given is tested.
package dns

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/libdns/libdns"
	"go.uber.org/zap"
)

// A Provider adds records to a zone and deletes them. It may be called for
// several records at the same time.
type Provider interface {
	libdns.RecordAppender
	libdns.RecordDeleter
}

// Parts are what a solver of challenges is made of.
type Parts struct {
	Provider  Provider
	TTL       time.Duration // of the records; 0 is the provider's own choice
	Delay     time.Duration // before the first look for a record
	Timeout   time.Duration // after which one that cannot be seen has failed; negative is not to look
	Resolvers []string      // host:port; none for those of the system
	Delegate  string        // where all records go, without the last dot; "" is below each host
}

// New reads the files that cfg names, which must be valid. It connects to
// nothing. The error has no secret in it.
func New(cfg Config, log *zap.Logger) (Parts, error) {
	if log == nil {
		log = zap.NewNop()
	}
	cfg = cfg.withDefaults()
	p := Parts{
		TTL: cfg.TTL, Delay: cfg.PropagationDelay, Timeout: *cfg.PropagationTimeout,
		Resolvers: cfg.Resolvers, Delegate: strings.TrimSuffix(cfg.Delegate, "."),
	}
	if p.Timeout == 0 {
		p.Timeout = -1
	}
	var err error
	p.Provider, err = cfg.provider(log)
	return p, err
}

// provider is the one place to add a kind of server or service.
func (c Config) provider(log *zap.Logger) (Provider, error) {
	switch {
	case c.RFC2136 != nil:
		return c.RFC2136.open()
	case c.Exec != nil:
		return program{*c.Exec, log}, nil
	case c.Cloudflare != nil:
		return c.Cloudflare.open()
	case c.Route53 != nil:
		return c.Route53.open(), nil
	}
	return nil, fmt.Errorf("names no provider")
}

// readSecret reads a file that holds a secret alone.
func readSecret(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return secret, nil
}
