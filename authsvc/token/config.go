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

	defaultGrace         = 6 * time.Hour
	defaultGraceManifest = 5 * time.Minute

	// maxGrace bounds how long an expired token is good for anything, and so how
	// long revocations are kept.
	maxGrace         = 24 * time.Hour
	maxGraceManifest = time.Hour
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
	Expiration int `yaml:"expiration" unit:"seconds"`

	// Grace is how long after its token has expired a client may go on with the
	// uploads that it has begun with it, 0s to 24h: some clients do not ask for
	// another in the middle of a push. It is for requests of these uploads alone,
	// and ends when the account is revoked. Default 6h; 0s is off.
	Grace *time.Duration `yaml:"grace"`

	// GraceManifest is the same for the manifest at the end of a push, which is
	// tied to no upload: any expired token that grants push there is good for it.
	// 0s to 1h. Default 5m; 0s is off.
	GraceManifest *time.Duration `yaml:"grace_manifest"`

	// Refresh is what clients can keep instead of a password.
	Refresh Refresh `yaml:"refresh"`

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
	if c.Grace == nil {
		c.Grace = new(time.Duration(defaultGrace))
	}
	if c.GraceManifest == nil {
		c.GraceManifest = new(time.Duration(defaultGraceManifest))
	}
	c.Refresh = c.Refresh.withDefaults()
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
	checkGrace(&l, "grace", c.Grace, maxGrace)
	checkGrace(&l, "grace_manifest", c.GraceManifest, maxGraceManifest)
	c = c.WithDefaults()
	if age := c.life() + *c.Grace; age > keyring.MaxTokenAge {
		l.Addf("grace", "%v and an expiration of %d seconds are %v together, and keys of tokens are kept for %v", *c.Grace, c.Expiration, age, keyring.MaxTokenAge)
	}
	l.Under("refresh", c.Refresh.Validate())
	c.checkRoot(&l)
	return l.Err()
}

func checkGrace(l *problem.List, path string, d *time.Duration, most time.Duration) {
	if d != nil && (*d < 0 || *d > most) {
		l.Addf(path, "%v is not between 0s and %v", *d, most)
	}
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
