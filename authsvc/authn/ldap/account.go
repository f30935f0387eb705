package ldap

import (
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// marker stands for the account where a filter is looked into.
const marker = "regate-account-marker"

// accountAttributes are the attributes that a filter compares with exactly
// ${account}: uid, in (&(objectClass=person)(uid=${account})).
func accountAttributes(filter string) []string {
	parsed, err := ldap.CompileFilter(inFilter(filter, marker, ""))
	if err != nil {
		return nil
	}
	return compared(parsed, nil)
}

func compared(f *ber.Packet, found []string) []string {
	switch f.Tag {
	case ldap.FilterAnd, ldap.FilterOr:
		for _, child := range f.Children {
			found = compared(child, found)
		}
	case ldap.FilterEqualityMatch:
		if len(f.Children) == 2 && text(f.Children[1]) == marker {
			found = append(found, text(f.Children[0]))
		}
	}
	return found
}

func text(p *ber.Packet) string {
	s, _ := p.Value.(string)
	return s
}

// spelt is the account as the directory itself writes it, where that is known.
//
// A directory takes ALICE and "alice " for alice (RFC 4518), and some "alicé".
// Rules do not: somebody whom a rule refuses by name would get past it by
// writing the name in another way.
func (d *Directory) spelt(account string, e entry) string {
	first := ""
	for _, attribute := range d.names {
		for _, value := range e.values(attribute) {
			if strings.EqualFold(strings.Join(strings.Fields(value), " "), strings.Join(strings.Fields(account), " ")) {
				return value
			}
			if first == "" {
				first = value
			}
		}
	}
	if first != "" {
		return first
	}
	return account
}
