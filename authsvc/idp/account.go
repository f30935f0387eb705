package idp

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxAccount is how long an account may be, in bytes.
const maxAccount = 256

var errAccount = errors.New("the provider gives the person a name that cannot be an account: it is empty, longer than 256 bytes, or has colons, spaces at an end, or characters that cannot be seen")

// account returns name if it can be one. A colon ends the user of Basic
// credentials (RFC 7617 2), so nobody could log in with one. What cannot be seen
// would make a name look like another's, in the log and to whoever writes rules.
func account(name string) (string, error) {
	isNone := func(r rune) bool { return r == ':' || !unicode.IsPrint(r) }
	if name == "" || len(name) > maxAccount || !utf8.ValidString(name) || strings.ContainsFunc(name, isNone) || strings.TrimSpace(name) != name {
		return "", errAccount
	}
	return name, nil
}

// folded returns the one spelling of a name in which case means nothing. Only
// ASCII is folded: other letters may become ones that somebody else has, as
// the Kelvin sign becomes a k.
func folded(name string) (string, error) {
	return account(strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, name))
}
