package cert

import (
	"crypto/x509"
	"encoding/asn1"
	"strings"
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
