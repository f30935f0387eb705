// Package narrow cuts what an account was granted down to what a secret of its
// own may be used for. In come the bounds that were given to the secret when it
// was made, and what the rules grant to its owner; out comes the part of it that
// one of the bounds has. Nothing is ever added: a secret can do no more than its
// owner can.
//
// The package does not know the rules, nor who shows a secret. Limits live as
// long as the login that they are made for.
package narrow

import (
	"path"
	"slices"
	"strings"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/oci"
)

// Limits are bounds that were read. The zero Limits bound nothing.
type Limits struct{ bounds []bound }

type bound struct {
	repository pattern
	actions    oci.Actions
}

// New reads bounds. One that Check refuses, as it may be written by a gate that
// is newer, lets through as much as was understood of it: an action that nobody
// knows is none, and a pattern that cannot be read matches nothing.
func New(bounds []authn.Bound) Limits {
	l := Limits{make([]bound, len(bounds))}
	for i, b := range bounds {
		l.bounds[i] = bound{newPattern(b.Repository), actions(b.Actions)}
	}
	return l
}

func actions(names []string) (all oci.Actions) {
	for _, name := range names {
		a, _ := oci.ParseAction(name)
		all |= a
	}
	return all & oci.All
}

// Cut returns those of a's actions that a bound has. The catalog is for whoever
// may pull from anything: what it lists is cut again, name by name.
func (l Limits) Cut(a oci.Access) oci.Actions {
	switch {
	case len(l.bounds) == 0:
		return a.Actions
	case a.Type == oci.Repository:
		return a.Actions & l.repository(a.Name)
	case a == oci.CatalogAccess() && slices.ContainsFunc(l.bounds, bound.pulls):
		return a.Actions
	}
	return 0
}

func (b bound) pulls() bool { return b.actions&oci.Pull != 0 }

func (l Limits) repository(name string) (all oci.Actions) {
	for _, b := range l.bounds {
		if !all.Contains(b.actions) && b.repository.match(name) {
			all |= b.actions
		}
	}
	return all
}

// A pattern is a glob as rules have them (Go's path.Match: * and ? do not match
// "/"), or, if one of its components is **, the components, of which that one
// stands for any number, one at least, as it does in routes.
type pattern struct {
	glob string
	deep []string
}

const deep = "**"

func newPattern(text string) pattern {
	if parts := strings.Split(text, "/"); slices.Contains(parts, deep) {
		return pattern{deep: parts}
	}
	return pattern{glob: text}
}

func (p pattern) match(name string) bool {
	if p.deep == nil {
		return matches(p.glob, name)
	}
	return matchDeep(p.deep, strings.Split(name, "/"))
}

func matches(glob, text string) bool {
	ok, err := path.Match(glob, text)
	return ok && err == nil
}

// matchDeep has each ** take one component, and the last one that was met one
// more whenever what follows does not match.
func matchDeep(parts, name []string) bool {
	i, last, taken := 0, -1, 0
	for k := 0; k < len(name); {
		switch {
		case i < len(parts) && parts[i] == deep:
			last, taken = i, k+1
			i, k = i+1, taken
		case i < len(parts) && matches(parts[i], name[k]):
			i, k = i+1, k+1
		case last >= 0:
			taken++
			i, k = last+1, taken
		default:
			return false
		}
	}
	return i == len(parts)
}
