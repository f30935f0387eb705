package acme

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/regate/regate/acme/dns"
	"github.com/regate/regate/authsvc/authn"
)

// ACME configures mode acme.
type ACME struct {
	// First is the CA that is asked first, and mostly the only one.
	First CA `yaml:",inline"`

	// Fallback are asked in this order when the CA before cannot be reached or
	// refuses. They take the email of the first unless they have their own.
	// Default: none.
	Fallback []CA `yaml:"fallback"`

	// Challenges are the ways in which a CA may see that a host leads here:
	// tls-alpn-01 (it connects to port 443) and http-01 (to port 80, which
	// needs listen.http). Default: both that are possible. Not read with dns.
	Challenges []string `yaml:"challenges"`

	// DNS is who changes the DNS for the gate. With it hosts are proved by
	// DNS-01 alone, so that no CA need reach the gate; wildcards need it.
	// Default: nobody.
	DNS *dns.Config `yaml:"dns"`
}

// A CA is an ACME server and the account that the gate has there.
type CA struct {
	// CA is letsencrypt, letsencrypt-staging (whose certificates nobody
	// trusts), zerossl, google, or the https URL of an ACME directory. Default
	// letsencrypt.
	CA string `yaml:"ca" file:"no"`

	// Email is kept with the account. The CA writes to it when it has to take
	// certificates back. It is needed for the first CA.
	Email string `yaml:"email"`

	// EAB ties the account to one at the CA's website. Needed for zerossl and
	// google.
	EAB EAB `yaml:"eab"`

	// Profile is one of the CA's kinds of certificate, for names. Addresses
	// have shortlived at Let's Encrypt, which it has no other kind for.
	// Default: none at Let's Encrypt and elsewhere, which leaves it to the CA.
	Profile string `yaml:"profile"`

	// TrustedRoots is a file of PEM certificates, below which the CA's own
	// https must be. Default: those of the system.
	TrustedRoots string `yaml:"trusted_roots"`

	// AccountKeyFile is a PEM file with the private key of the account. Default:
	// a key that the gate makes and keeps in the state.
	AccountKeyFile string `yaml:"account_key_file"`
}

// EAB is an external account binding (RFC 8555 7.3.4), as the CA's website
// gives it out.
type EAB struct {
	// KeyID names the key.
	KeyID string `yaml:"key_id"`

	// HMACKeyFile is a file with the key in base64url, and nothing else.
	HMACKeyFile string `yaml:"hmac_key_file"`

	// HMACKey is the key itself, instead of the file.
	HMACKey authn.Secret `yaml:"hmac_key"`
}

// The challenges that can be configured.
const (
	challengeALPN = "tls-alpn-01"
	challengeHTTP = "http-01"
)

const (
	defaultCA         = "letsencrypt"
	profileShortlived = "shortlived"
)

// A publicCA is one that CA.CA can name without its URL.
type publicCA struct {
	name, directory string
	needsEAB        bool
	noAddresses     bool
	addressProfile  string // that certificates for addresses must have
}

// publicCAs is what is known of the CAs that everybody trusts. ZeroSSL signs
// for addresses through an interface of its own alone.
var publicCAs = []publicCA{
	{name: defaultCA, directory: "https://acme-v02.api.letsencrypt.org/directory", addressProfile: profileShortlived},
	{name: "letsencrypt-staging", directory: "https://acme-staging-v02.api.letsencrypt.org/directory", addressProfile: profileShortlived},
	{name: "zerossl", directory: "https://acme.zerossl.com/v2/DV90", needsEAB: true, noAddresses: true},
	{name: "google", directory: "https://dv.acme-v02.api.pki.goog/directory", needsEAB: true},
}

// public is what is known of c, under its name or its URL.
func (c CA) public() (publicCA, bool) {
	i := slices.IndexFunc(publicCAs, func(p publicCA) bool { return c.CA == p.name || c.CA == p.directory })
	if i < 0 {
		return publicCA{}, false
	}
	return publicCAs[i], true
}

// directory is the URL of c's ACME directory.
func (c CA) directory() string {
	if p, ok := c.public(); ok {
		return p.directory
	}
	return c.CA
}

func (a ACME) withDefaults() ACME {
	a.First = a.First.withDefaults(a.First.Email)
	a.Fallback = slices.Clone(a.Fallback)
	for i, c := range a.Fallback {
		a.Fallback[i] = c.withDefaults(a.First.Email)
	}
	if len(a.Challenges) == 0 {
		a.Challenges = []string{challengeALPN, challengeHTTP}
	}
	return a
}

func (c CA) withDefaults(email string) CA {
	if c.CA == "" {
		c.CA = defaultCA
	}
	if c.Email == "" {
		c.Email = email
	}
	return c
}

// ProvedHere reports whether CAs connect to the gate to see that hosts lead
// here, rather than look into the DNS.
func (c Config) ProvedHere() bool {
	return c.withDefaults().Mode == ModeACME && c.ACME.DNS == nil
}

// NeedsHTTP reports whether CAs may look at port 80 alone.
func (c Config) NeedsHTTP() bool {
	c = c.withDefaults()
	return c.Mode == ModeACME && c.ACME.DNS == nil && !slices.Contains(c.ACME.Challenges, challengeALPN)
}

// all are the CAs in the order in which they are asked.
func (a ACME) all() []CA { return append([]CA{a.First}, a.Fallback...) }

// decodeMAC reads the key of an EAB. It is base64url (RFC 8555 7.3.4); websites
// show it with padding as well.
func decodeMAC(text authn.Secret) ([]byte, error) {
	key, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(text.Reveal()), "="))
	if err != nil || len(key) == 0 {
		return nil, errors.New("is no key in base64url")
	}
	return key, nil
}
