package oci

import (
	"fmt"
	"slices"
	"strings"
)

// MaxScopes bounds how many scopes one request for a token may name.
const MaxScopes = 100

// A Scope is a set of accesses: sorted by type and name, each resource once,
// none without an action. The zero Scope is empty; Union keeps the order, and
// so does NewScope.
type Scope []Access

// NewScope returns the union of the accesses.
func NewScope(accesses ...Access) Scope {
	s := make(Scope, 0, len(accesses))
	for _, a := range accesses {
		s = s.add(a)
	}
	return s
}

// Contains reports whether every access of needs is in the set. Types and
// names are compared exactly; there are no patterns in a scope.
func (s Scope) Contains(needs ...Access) bool {
	for _, n := range needs {
		i, found := s.find(n)
		if n.Actions != 0 && (!found || !s[i].Actions.Contains(n.Actions)) {
			return false
		}
	}
	return true
}

// Union returns a set of what is in s, in t, or in both.
func (s Scope) Union(t Scope) Scope {
	u := slices.Clone(s)
	for _, a := range t {
		u = u.add(a)
	}
	return u
}

// String is the scopes separated by spaces, as in a challenge.
func (s Scope) String() string {
	var b strings.Builder
	for i, a := range s {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(a.String())
	}
	return b.String()
}

func (s Scope) find(a Access) (int, bool) {
	return slices.BinarySearchFunc(s, a, func(x, y Access) int {
		if c := strings.Compare(x.Type, y.Type); c != 0 {
			return c
		}
		return strings.Compare(x.Name, y.Name)
	})
}

func (s Scope) add(a Access) Scope {
	if a.Actions == 0 {
		return s
	}
	i, found := s.find(a)
	if found {
		s[i].Actions |= a.Actions
		return s
	}
	return slices.Insert(s, i, a)
}

// ParseScope reads what a client asks for, from all scope parameters of a
// request, each of which may hold several scopes separated by spaces
// (distribution docs/content/spec/auth/scope.md; protocol.md 1.9).
//
// What the gate can never grant is left out: unknown types and actions, names
// that no repository can have. Clients send such scopes beside their own, so
// they are no error. An error is a BadRequest: text that is no scope at all, or
// more than MaxScopes of them.
func ParseScope(values []string) (Scope, error) {
	var s Scope
	count := 0
	for _, v := range values {
		for text := range strings.FieldsSeq(v) {
			if count++; count > MaxScopes {
				return nil, Errorf(BadRequest, "more than %d scopes in one request", MaxScopes)
			}
			a, err := parseAccess(text)
			if err != nil {
				return nil, err
			}
			s = s.add(a)
		}
	}
	return s, nil
}

// parseAccess splits at the first and the last colon, because a name may
// begin with host:port. "repository(plugin)" is the resource "repository":
// registries refuse the longer type in a token.
func parseAccess(text string) (Access, error) {
	first, last := strings.IndexByte(text, ':'), strings.LastIndexByte(text, ':')
	if first < 0 || first == last {
		return Access{}, Errorf(BadRequest, "scope %s is not type:name:actions", quoted(text))
	}
	typ, _, _ := strings.Cut(text[:first], "(")
	name, acts := text[first+1:last], text[last+1:]
	switch {
	case typ == Repository && ValidName(name):
		return Access{typ, name, parseActions(acts)}, nil
	case typ == Registry && name == CatalogName && acts == "*":
		return CatalogAccess(), nil
	}
	return Access{}, nil
}

// parseActions reads the actions on a repository. "*" means each of them by
// its name, so that a token never holds more than what was granted.
func parseActions(list string) Actions {
	var set Actions
	for name := range strings.SplitSeq(list, ",") {
		a, _ := ParseAction(name)
		set |= a
	}
	if set&Any != 0 {
		return All
	}
	return set
}

// quoted is outside input, safe and short enough for a message.
func quoted(s string) string {
	const most = 64
	if len(s) > most {
		s = s[:most]
	}
	return fmt.Sprintf("%+q", s)
}
