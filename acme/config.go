package acme

import (
	"fmt"
	"reflect"
	"regexp"
	"time"

	"github.com/regate/regate/internal/problem"
)

// The modes of tls.mode.
const (
	ModeACME     = "acme"
	ModeInternal = "internal"
	ModeFiles    = "files"
	ModeProxied  = "proxied"
)

// Config is the section tls.
type Config struct {
	// Hosts are the names and addresses under which clients reach the gate:
	// "registry.example.com", "*.example.com" (one label), "10.0.0.5". The gate
	// answers for no others. The first one is for clients that name no host.
	// Needed in every mode but proxied.
	Hosts []string `yaml:"hosts"`

	// Mode says where certificates come from: acme (a CA that hands them out by
	// itself, such as Let's Encrypt), internal (a CA of the gate's own), files,
	// or proxied (a load balancer ends TLS, the https address speaks plain
	// HTTP). Default acme.
	Mode string `yaml:"mode"`

	// MinVersion is the oldest version of TLS that clients may speak: 1.2, of
	// which only the suites with forward secrecy and AEAD are taken, or 1.3,
	// which shuts out docker before 20.10 and other old clients. Not in mode
	// proxied. A change needs a restart. Default "1.2".
	MinVersion string `yaml:"min_version"`

	// ACME is for mode acme.
	ACME ACME `yaml:"acme"`

	// Internal is for mode internal.
	Internal Internal `yaml:"internal"`

	// Files are the certificates of mode files; each host must be in one of
	// them. They are read again within 5 s of a change.
	Files []KeyPair `yaml:"files"`

	// ClientCA is a PEM file with the certificates of CAs. Clients are then
	// asked for a certificate below one of them, which is for the account that
	// auth.client_certificates says. They need not have one; one that is not
	// good ends the handshake. The file is read again when it changes. Not in
	// mode proxied, in which the gate sees no handshake. Default none.
	ClientCA string `yaml:"client_ca"`
}

// Internal configures the gate's own CA.
type Internal struct {
	// Name is the CA's name, in its certificate and in the state. Another name
	// makes another CA, which clients must be told to trust; this is the way
	// to get one that may sign for other domains. Default "regate CA".
	Name string `yaml:"name"`

	// Lifetime is how long a certificate of a host is valid; it is renewed when
	// a third of it is left. At least 1m, at most 9480h. Default 168h.
	Lifetime time.Duration `yaml:"lifetime"`

	// CACert and CAKey are PEM files of a CA that is brought along instead of
	// one that the gate makes. Certificates after the first one in CACert are
	// the chain to its root. They are read at start and at each reload.
	CACert string `yaml:"ca_cert"`
	CAKey  string `yaml:"ca_key"`
}

// A KeyPair names the PEM files of a certificate, with its chain, and its key.
type KeyPair struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

const (
	defaultName     = "regate CA"
	defaultLifetime = 7 * 24 * time.Hour
	minLifetime     = time.Minute
	maxLifetime     = 395 * 24 * time.Hour // browsers refuse 398 days and more
)

// caName keeps names fit for a key of the state.
var caName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._-]{0,47}$`)

// Source is Mode, or the default that it stands for.
func (c Config) Source() string { return c.withDefaults().Mode }

func (c Config) withDefaults() Config {
	if c.Mode == "" {
		c.Mode = ModeACME
	}
	if c.Internal.Name == "" {
		c.Internal.Name = defaultName
	}
	if c.Internal.Lifetime == 0 {
		c.Internal.Lifetime = defaultLifetime
	}
	c.ACME = c.ACME.withDefaults()
	c.Hosts = canonicalAll(c.Hosts)
	return c
}

// Validate says what is wrong with c. It opens no file.
func (c Config) Validate() error {
	var l problem.List
	c.validateHosts(&l)
	c.validateMode(&l)
	c.validateVersion(&l)
	l.Under("internal", c.Internal.validate())
	for i, f := range c.Files {
		if f.Cert == "" || f.Key == "" {
			l.Addf(fmt.Sprintf("files[%d]", i), "needs both cert and key")
		}
	}
	return l.Err()
}

func (c Config) validateHosts(l *problem.List) {
	if len(c.Hosts) == 0 && c.Mode != ModeProxied {
		l.Addf("hosts", "names no host: list the names under which clients reach the gate")
	}
	seen := map[string]bool{}
	for i, h := range c.Hosts {
		path := fmt.Sprintf("hosts[%d]", i)
		if err := checkHost(h); err != nil {
			l.Addf(path, "%v", err)
		} else if seen[canonical(h)] {
			l.Addf(path, "%q is there twice", h)
		}
		seen[canonical(h)] = true
	}
}

func (c Config) validateVersion(l *problem.List) {
	switch c.MinVersion {
	case "":
	case "1.2", "1.3":
		if c.Mode == ModeProxied {
			l.Warnf("min_version", "is not read in mode proxied")
		}
	default:
		l.Addf("min_version", "%q is neither 1.2 nor 1.3", c.MinVersion)
	}
}

func (c Config) validateMode(l *problem.List) {
	mode := c.withDefaults().Mode
	switch mode {
	case ModeACME:
		l.Under("acme", c.ACME.validate())
		c.validateIssuable(l)
	case ModeInternal, ModeProxied:
	case ModeFiles:
		if len(c.Files) == 0 {
			l.Addf("files", "names no certificate, but mode is files")
		}
	default:
		l.Addf("mode", "%q is none of acme, internal, files and proxied", c.Mode)
		return
	}
	if mode == ModeProxied && c.ClientCA != "" {
		l.Addf("client_ca", "asks for certificates in the handshake, which in mode proxied is the balancer's, and what a balancer says of one is not believed")
	}
	if mode != ModeACME && !reflect.DeepEqual(c.ACME, ACME{}) {
		l.Warnf("acme", "is not read in mode %s", mode)
	}
	if mode != ModeFiles && len(c.Files) > 0 {
		l.Warnf("files", "is not read in mode %s", mode)
	}
	if mode != ModeInternal && c.Internal != (Internal{}) {
		l.Warnf("internal", "is not read in mode %s", mode)
	}
}

func (in Internal) validate() error {
	var l problem.List
	if in.Name != "" && !caName.MatchString(in.Name) {
		l.Addf("name", "%q: use at most 48 letters, digits, spaces, dots, hyphens and underscores", in.Name)
	}
	if in.Lifetime != 0 && (in.Lifetime < minLifetime || in.Lifetime > maxLifetime) {
		l.Addf("lifetime", "%s is not between %s and %s", in.Lifetime, minLifetime, maxLifetime)
	}
	if (in.CACert == "") != (in.CAKey == "") {
		l.Addf("", "needs both ca_cert and ca_key, or neither")
	}
	if in.CACert != "" && in.Name != "" {
		l.Addf("name", "is for a CA that the gate makes, but ca_cert brings one")
	}
	return l.Err()
}
