package proxy

import (
	"regexp"
	"strings"
)

// A pattern matches names of repositories, component by component. The zero
// pattern matches every name.
type pattern struct{ re *regexp.Regexp }

// compile reads a pattern; "" and "**" are the zero pattern.
func compile(text string) (pattern, error) {
	if text == "" || text == "**" {
		return pattern{}, nil
	}
	parts := strings.Split(text, "/")
	for i, part := range parts {
		switch {
		case part == "":
			return pattern{}, errPattern("it has an empty path component")
		case part == "**":
			parts[i] = ".+"
		case strings.Contains(part, "**"):
			return pattern{}, errPattern("** must stand between slashes, alone")
		case strings.Trim(part, "abcdefghijklmnopqrstuvwxyz0123456789._-*") != "":
			return pattern{}, errPattern("it holds a character that no name has")
		default:
			parts[i] = strings.ReplaceAll(regexp.QuoteMeta(part), `\*`, "[^/]*")
		}
	}
	re, err := regexp.Compile("^" + strings.Join(parts, "/") + "$")
	return pattern{re}, err
}

// match reports whether a valid name matches.
func (p pattern) match(name string) bool { return p.re == nil || p.re.MatchString(name) }
