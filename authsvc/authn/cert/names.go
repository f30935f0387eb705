package cert

import (
	"crypto/x509"
	"encoding/asn1"
	"strings"
	"unicode/utf8"
)

// The names that a rule can look at.
const (
	nameCN    = "cn"
	nameDNS   = "dns"
	nameURI   = "uri"
	nameEmail = "email"
)

// manyValued are the variables that are only for labels.
var manyValued = []string{"ou", "o", nameDNS, nameURI, nameEmail}

var commonName = asn1.ObjectIdentifier{2, 5, 4, 3} // RFC 5280 A.1

// valuesOf returns what c has of a kind of name or part of its subject.
func valuesOf(c *x509.Certificate, kind string) (all []string) {
	switch kind {
	case nameCN:
		for _, part := range c.Subject.Names { // Subject.CommonName is the last of them
			if text, ok := part.Value.(string); ok && part.Type.Equal(commonName) {
				all = append(all, text)
			}
		}
	case nameDNS:
		for _, name := range c.DNSNames {
			all = append(all, strings.ToLower(name))
		}
	case nameURI:
		for _, u := range c.URIs {
			all = append(all, u.String())
		}
	case nameEmail:
		return c.EmailAddresses
	case "ou":
		return c.Subject.OrganizationalUnit
	case "o":
		return c.Subject.Organization
	}
	return all
}

// longest is how long an account or a label can be, in bytes, and most how many
// values of labels an identity has: what a certificate holds is kept for every
// request of its connection.
const (
	longest = 256
	most    = 256
)

// plausible reports whether text can be an account or a label. Control
// characters are in none, but would be in the log.
func plausible(text string) bool {
	isControl := func(r rune) bool { return r < 0x20 || r == 0x7f }
	return text != "" && len(text) <= longest && utf8.ValidString(text) && !strings.ContainsFunc(text, isControl)
}
