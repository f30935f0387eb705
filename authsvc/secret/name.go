package secret

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrName says that a secret cannot be called so.
var ErrName = errors.New("not a good name")

// MostName is how many characters the name of a secret can have.
const MostName = 64

// robotName is what can be written into a shell, a log and a file's name as it
// stands.
var robotName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// CheckName reports what is wrong with the name of a secret of a kind. It shows
// it in ASCII, as an operator's terminal may be shown anything else.
func CheckName(kind, name string) error {
	shown := strconv.QuoteToASCII(name)
	switch {
	case name == "" || utf8.RuneCountInString(name) > MostName:
		return fmt.Errorf("%w: it needs one to %d characters", ErrName, MostName)
	case kind == Robot && !robotName.MatchString(name):
		return fmt.Errorf("%w: %s is none for a robot, which has letters, digits, and . _ -, and a letter or digit first", ErrName, shown)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("%w: %s has characters that cannot be shown", ErrName, shown)
	}
	return nil
}
