package token

import (
	"path/filepath"
	"strings"
	"time"

	"github.com/regate/regate/internal/keyring"
	"github.com/regate/regate/internal/problem"
)

const (
	defaultIssuer     = "regate"
	defaultService    = "registry"
	defaultExpiration = 900

	// minExpiration is what clients take a shorter life for anyway
	// (protocol.md 1.4).
	minExpiration = 60
)

// Config is the auth.token section: what stands in the tokens that clients get.
type Config struct {
	// Issuer is the iss of tokens; default "regate". A registry that checks
	// clients' tokens itself (auth: forward) has the same as auth.token.issuer.
	Issuer string `yaml:"issuer"`

	// Service is the audience of tokens and the service of challenges; default
	// "registry". A request for a token for any other is refused. A registry
	// with auth: forward has the same as auth.token.service.
	Service string `yaml:"service"`

	// Expiration is the life of a token in seconds, 60 to 86400; default 900. A
	// change of the rules acts when the last tokens have ended, a revocation at once.
	Expiration int `yaml:"expiration"`

	// Root is a token root to use instead of one that the gate makes.
	Root Root `yaml:"root"`

	// RootFile is where the token root's certificate is written, for registries
	// to take as rootcertbundle; default token-root.pem in state.path.
	RootFile string `yaml:"root_file"`
}

// A Root is a CA of the operator's own: ECDSA P-256, for nothing but tokens.
type Root struct {
	// Cert is a PEM file with the CA's certificate alone.
	Cert string `yaml:"cert"`
	// Key is a PEM file with its private key, not encrypted.
	Key string `yaml:"key"`
}

// WithDefaults returns c with its defaults filled in, RootFile apart, which
// depends on the state.
func (c Config) WithDefaults() Config {
	if c.Issuer == "" {
		c.Issuer = defaultIssuer
	}
	if c.Service == "" {
		c.Service = defaultService
	}
	if c.Expiration == 0 {
		c.Expiration = defaultExpiration
	}
	return c
}

func (c Config) life() time.Duration { return time.Duration(c.Expiration) * time.Second }

// Validate reports every mistake. It opens no file: a root is checked when the
// keyring is opened.
func (c Config) Validate() error {
	var l problem.List
	checkName(&l, "issuer", c.Issuer)
	checkName(&l, "service", c.Service)
	most := int(keyring.MaxTokenLife / time.Second)
	if c.Expiration != 0 && (c.Expiration < minExpiration || c.Expiration > most) {
		l.Addf("expiration", "%d is not between %d and %d seconds", c.Expiration, minExpiration, most)
	}
	c.checkRoot(&l)
	return l.Err()
}

// checkName refuses what clients cannot read in a challenge, where it stands
// between quotes and without escapes (protocol.md 1.8).
func checkName(l *problem.List, path, name string) {
	bad := func(r rune) bool { return r < 0x20 || r > 0x7e || r == '"' || r == '\\' }
	if strings.ContainsFunc(name, bad) || strings.TrimSpace(name) != name {
		l.Addf(path, "%q must be printable ASCII without quotes, backslashes and spaces around it", name)
	}
}

func (c Config) checkRoot(l *problem.List) {
	if c.Root.Cert != "" && c.Root.Key == "" {
		l.Addf("root.key", "is missing: the gate signs with it")
	}
	if c.Root.Key != "" && c.Root.Cert == "" {
		l.Addf("root.cert", "is missing: registries get it")
	}
	if c.RootFile == "" {
		return
	}
	for _, in := range []string{c.Root.Cert, c.Root.Key} {
		if in != "" && filepath.Clean(in) == filepath.Clean(c.RootFile) {
			l.Addf("root_file", "is written by the gate, so it cannot be a file of root")
		}
	}
}
