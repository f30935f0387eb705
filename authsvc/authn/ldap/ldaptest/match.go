package ldaptest

import (
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// bind is the code that RFC 4513 5.1 has for a simple bind.
func (s *Server) bind(dn, password string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if password == "" {
		return ldap.LDAPResultSuccess // an unauthenticated bind, which some servers take for a good one
	}
	for _, e := range s.entries {
		if same(e.DN, dn) && e.Password != "" && e.Password == password {
			return ldap.LDAPResultSuccess
		}
	}
	return ldap.LDAPResultInvalidCredentials
}

func (s *Server) find(r Request, filter *ber.Packet) (found []Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		if strings.HasSuffix(strings.ToLower(e.DN), strings.ToLower(r.Name)) && matches(e, filter) {
			found = append(found, e)
		}
	}
	return found
}

func matches(e Entry, f *ber.Packet) bool {
	switch f.Tag {
	case ldap.FilterAnd:
		for _, child := range f.Children {
			if !matches(e, child) {
				return false
			}
		}
		return true
	case ldap.FilterOr:
		for _, child := range f.Children {
			if matches(e, child) {
				return true
			}
		}
		return false
	case ldap.FilterNot:
		return !matches(e, f.Children[0])
	case ldap.FilterPresent:
		return len(values(e, f.Data.String())) > 0
	case ldap.FilterEqualityMatch:
		for _, v := range values(e, text(f.Children[0])) {
			if same(v, text(f.Children[1])) {
				return true
			}
		}
	}
	return false
}

func values(e Entry, attribute string) []string {
	for name, v := range e.Attributes {
		if strings.EqualFold(name, attribute) {
			return v
		}
	}
	return nil
}

// same compares as caseIgnoreMatch does (RFC 4517 4.2.11).
func same(a, b string) bool {
	return strings.EqualFold(strings.Join(strings.Fields(a), " "), strings.Join(strings.Fields(b), " "))
}

func text(p *ber.Packet) string {
	if s, ok := p.Value.(string); ok {
		return s
	}
	return p.Data.String()
}
