package authn

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	longest = 256 // bytes of an account or a label

	// MostLabels is how many values of labels a certificate or a JWT can make: they
	// are kept for as long as whoever shows it is at work.
	MostLabels = 256
)

// Plausible reports whether text can be an account or the value of a label.
// Characters that move what stands around them are in none, but would be in the
// logs of the gate, of back ends and of registries, where anybody could write
// them: a terminal takes U+009B for the beginning of a command, as it does ESC [
// (ECMA-48 8.3.16), and what follows U+202E stands there backwards.
func Plausible(text string) bool {
	return text != "" && len(text) <= longest && utf8.ValidString(text) && !strings.ContainsFunc(text, moves)
}

func moves(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}
