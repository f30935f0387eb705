package authn

import (
	"strings"
	"unicode/utf8"
)

const (
	longest = 256 // bytes of an account or a label

	// MostLabels is how many values of labels a certificate or a JWT can make: they
	// are kept for as long as whoever shows it is at work.
	MostLabels = 256
)

// Plausible reports whether text can be an account or the value of a label.
// Control characters are in none, but would be in the logs of the gate, of back
// ends and of registries.
func Plausible(text string) bool {
	isControl := func(r rune) bool { return r < 0x20 || r == 0x7f }
	return text != "" && len(text) <= longest && utf8.ValidString(text) && !strings.ContainsFunc(text, isControl)
}
