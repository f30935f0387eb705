package narrow

import (
	"fmt"
	"path"
	"strings"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/internal/problem"
)

// What a login has to look at is small.
const (
	// Most is how many bounds a secret can have.
	Most        = 32
	longestName = 255 // of a repository, and so of a pattern that is worth its while
)

// Check reports what is wrong with bounds that somebody has written.
func Check(bounds []authn.Bound) error {
	var l problem.List
	if len(bounds) > Most {
		l.Addf("", "%d bounds, and no more than %d can be had: write fewer with * and **", len(bounds), Most)
	}
	for i, b := range bounds {
		at := fmt.Sprintf("[%d]", i)
		l.Under(at+".repository", CheckRepository(b.Repository))
		l.Under(at+".actions", CheckActions(b.Actions))
	}
	return l.Err()
}

// CheckRepository reports what is wrong with the pattern of a bound.
func CheckRepository(text string) error {
	switch {
	case text == "":
		return fmt.Errorf("a repository is missing: write ** for all of them")
	case len(text) > longestName:
		return fmt.Errorf("repository %q… is longer than the name of any repository", text[:32])
	case strings.Trim(text, inPatterns) != "":
		return fmt.Errorf("repository %q can match nothing: names have small letters, digits, and . _ - /, patterns also * ? [a-z] and **", text)
	}
	for _, part := range strings.Split(text, "/") {
		switch _, err := path.Match(part, ""); {
		case part == "":
			return fmt.Errorf("repository %q can match nothing: it begins or ends with a slash, or has two in a row", text)
		case err != nil:
			return fmt.Errorf("repository %q: %q is no pattern: there is a [ without its ], or a \\ at the end", text, part)
		case strings.Contains(part, deep) && part != deep:
			return fmt.Errorf("repository %q: ** must stand between slashes, alone", text)
		}
	}
	return nil
}

// inPatterns are the characters that names of repositories have
// (distribution-spec, name), and those that mean something in a pattern.
const inPatterns = `abcdefghijklmnopqrstuvwxyz0123456789._-/*?[]^\`

// CheckActions reports what is wrong with the actions of a bound.
func CheckActions(names []string) error {
	if len(names) == 0 {
		return fmt.Errorf("an action is missing: pull, push or delete")
	}
	for _, name := range names {
		if a, ok := oci.ParseAction(name); !ok || a&oci.All == 0 {
			return fmt.Errorf("action %q is unknown; there are pull, push and delete", name)
		}
	}
	return nil
}
