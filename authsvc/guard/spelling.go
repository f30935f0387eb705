package guard

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// spelling is the same for all spellings of an account that a directory may
// take for one: whatever the case, the width, the blanks, what is mapped to
// nothing (RFC 4518 2.2), and, for Active Directory, the marks on the letters.
// Two accounts that differ in nothing else share their tries, which is no harm.
func spelling(account string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.In(r, unicode.M, unicode.Cf, unicode.Cc) || r == '\u1806' || r == '\ufffc' {
			return -1
		}
		return unicode.ToLower(unicode.ToUpper(r)) // there are letters with three cases
	}, norm.NFKD.String(account))
}
