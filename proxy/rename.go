package proxy

import "strings"

// A rename is how the names that clients know become those that a registry
// has: one beginning is put in the place of another. The zero rename changes
// nothing.
//
// Either has whole path components. No two renames but equal ones lead two
// names to the same two others, see newRename.
type rename struct {
	public string // "hub/", or all of a name
	inside string // at the registry
}

// newRename leaves out what both ends have in common: a/x/ to b/x/ is a/ to b/.
func newRename(public, inside string) rename {
	for public != inside {
		p, i := lastPart(public), lastPart(inside)
		if p != i || p == "" {
			return rename{public, inside}
		}
		public, inside = strings.TrimSuffix(public, p), strings.TrimSuffix(inside, i)
	}
	return rename{}
}

// lastPart is the last component, with its slash if it has one.
func lastPart(s string) string {
	return s[strings.LastIndexByte(strings.TrimSuffix(s, "/"), '/')+1:]
}

// upstream is the name that the registry has for a name of clients, which must
// be one that the route matches.
func (n rename) upstream(name string) string { return n.inside + name[len(n.public):] }

// back is the name by which clients would know what the registry calls name.
func (n rename) back(name string) (public string, ok bool) {
	rest, ok := strings.CutPrefix(name, n.inside)
	return n.public + rest, ok
}

// image is the pattern of the names that the registry has for those that p
// matches.
func (n rename) image(p pattern) pattern { return replaceParts(p, n.public, n.inside) }

// origin is a pattern that matches whatever image makes something of that p
// matches; ok is false if it is not known.
func (n rename) origin(p pattern) (origin pattern, ok bool) {
	k := len(parts(n.inside))
	if len(p) < k || p[:k].String() != strings.TrimSuffix(n.inside, "/") {
		return nil, false
	}
	return replaceParts(p, n.inside, n.public), true
}

func replaceParts(p pattern, old, with string) pattern {
	return append(parts(with), p[len(parts(old)):]...)
}

func parts(beginning string) pattern {
	if beginning == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(beginning, "/"), "/")
}
