package idp

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// maxAccount is how long an account may be, in bytes.
const maxAccount = 256

var errAccount = errors.New("the provider gives the person a name that cannot be an account: it is empty, longer than 256 bytes, or has colons, spaces at an end, or control characters")

// account returns name if it can be one. A colon ends the user of Basic
// credentials (RFC 7617 2), so nobody could log in with one.
func account(name string) (string, error) {
	isControl := func(r rune) bool {
		return r < 0x20 || r >= 0x7f && r < 0xa0 || r == ':' || r == '\u2028' || r == '\u2029'
	}
	if name == "" || len(name) > maxAccount || !utf8.ValidString(name) || strings.ContainsFunc(name, isControl) || strings.TrimSpace(name) != name {
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
