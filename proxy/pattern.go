package proxy

import "strings"

// A pattern matches names of repositories, component by component. Each part
// is a component in which "*" stands for anything, or "**", which stands for
// one component or more.
type pattern []string

const deep = "**"

// compile reads a pattern; "" is any name.
func compile(text string) (pattern, error) {
	if text == "" {
		return pattern{deep}, nil
	}
	if strings.HasPrefix(text, "/^") || len(text) > 1 && strings.HasPrefix(text, "/") && strings.HasSuffix(text, "/") {
		return nil, errPattern("it is a regular expression, which only auth.acl has")
	}
	p := pattern(strings.Split(text, "/"))
	for _, part := range p {
		switch {
		case part == "":
			return nil, errPattern("it has an empty path component")
		case part == deep:
		case strings.Contains(part, deep):
			return nil, errPattern("** must stand between slashes, alone")
		case strings.Trim(part, "abcdefghijklmnopqrstuvwxyz0123456789._-*") != "":
			return nil, errPattern("it holds a character that no name has")
		}
	}
	return p, nil
}

func (p pattern) String() string { return strings.Join(p, "/") }

// exact reports whether the pattern is one name.
func (p pattern) exact() bool { return !strings.Contains(p.String(), "*") }

// match reports whether a valid name matches.
func (p pattern) match(name string) bool {
	if len(p) == 0 || name == "" {
		return len(p) == 0 && name == ""
	}
	part, rest, _ := strings.Cut(name, "/")
	if p[0] == deep {
		return p[1:].match(rest) || p.match(rest)
	}
	return matchPart(p[0], part) && p[1:].match(rest)
}

// matchPart goes back to the last star only: what an earlier one could have
// had, the last one can have as well.
func matchPart(glob, s string) bool {
	star, from, i, j := -1, 0, 0, 0
	for j < len(s) {
		switch {
		case i < len(glob) && glob[i] == '*':
			star, from, i = i, j, i+1
		case i < len(glob) && glob[i] == s[j]:
			i, j = i+1, j+1
		case star >= 0:
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(glob[i:], "*") == ""
}

// meet returns what both patterns match, or a part of that; ok is false if
// there is no name that both match.
func (p pattern) meet(q pattern) (both pattern, ok bool) {
	if len(p) == 0 || len(q) == 0 {
		return nil, len(p) == len(q)
	}
	part, ok := meetPart(p[0], q[0])
	if !ok {
		return nil, false
	}
	ways := [][2]pattern{{p[1:], q[1:]}}
	if p[0] == deep {
		ways = append(ways, [2]pattern{p, q[1:]})
	}
	if q[0] == deep {
		ways = append(ways, [2]pattern{p[1:], q})
	}
	for _, way := range ways {
		if rest, ok := way[0].meet(way[1]); ok {
			return append(pattern{part}, rest...), true
		}
	}
	return nil, false
}

// meetPart is meet for one component; of two with stars, it returns one.
func meetPart(a, b string) (string, bool) {
	switch {
	case a == deep || a == "*":
		return b, true
	case b == deep || b == "*":
		return a, true
	case !strings.Contains(a, "*"):
		return a, matchPart(b, a)
	}
	return b, meetGlob(a, b)
}

func meetGlob(a, b string) bool {
	switch {
	case a == "" || b == "":
		return strings.Trim(a+b, "*") == ""
	case a[0] == '*':
		return meetGlob(a[1:], b) || meetGlob(a, b[1:])
	case b[0] == '*':
		return meetGlob(a, b[1:]) || meetGlob(a[1:], b)
	}
	return a[0] == b[0] && meetGlob(a[1:], b[1:])
}

// within reports whether q matches all that p does. It may miss that, but never
// says so if it is not so.
func (p pattern) within(q pattern) bool {
	switch {
	case len(p) == 0 || len(q) == 0:
		return len(p) == len(q)
	case q[0] == deep:
		return p[1:].within(q) || p[1:].within(q[1:])
	case p[0] == deep:
		return false
	}
	// A star of p is a letter that only a star of q matches.
	return matchPart(q[0], p[0]) && p[1:].within(q[1:])
}
