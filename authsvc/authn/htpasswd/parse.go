package htpasswd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/regate/regate/authsvc/password"
	"github.com/regate/regate/internal/problem"
)

// Bounds of a file, beside password.MostCost.
const (
	maxFile     = 8 << 20 // bytes, about a hundred thousand users
	maxProblems = 20      // that are said one by one
)

// contents reads a file. Pipes and devices could take for ever.
func contents(path string) (string, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", err
	}
	if len(text) > maxFile {
		return "", fmt.Errorf("%s is larger than %d MiB", path, maxFile>>20)
	}
	return string(text), nil
}

// parse returns the hashes by account. As in Apache's reading, white space at
// both ends of a line, empty lines, and those that begin with "#" do not count.
// Unlike it, whatever would keep a user out is said, with its line.
func parse(path, text string) (map[string]string, error) {
	hashes, first := make(map[string]string), make(map[string]int)
	var wrong problem.List
	number := 0
	for line := range strings.Lines(text) {
		number++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		account, hash, err := user(line)
		if err == nil && first[account] != 0 {
			err = fmt.Errorf("the user %q is in line %d already", account, first[account])
		}
		if err != nil {
			wrong.Addf("", "%s:%d: %v", path, number, err)
			continue
		}
		hashes[account], first[account] = hash, number
	}
	return hashes, shortened(wrong).Err()
}

// shortened leaves the rest out where a whole file is of another kind.
func shortened(wrong problem.List) problem.List {
	if more := len(wrong) - maxProblems; more > 0 {
		wrong = wrong[:maxProblems]
		wrong.Addf("", "and %d lines more", more)
	}
	return wrong
}

// user reads a line. No message repeats what stands in the place of a hash,
// nor all of a line: either may be a password.
func user(line string) (account, hash string, err error) {
	account, hash, ok := strings.Cut(line, ":")
	switch {
	case !ok:
		err = errors.New("expected USER:HASH")
	case account == "":
		err = errors.New("expected a user's name before the colon")
	case strings.HasPrefix(account, "\ufeff"):
		err = errors.New("the file begins with a byte order mark, which would be part of the first name: save it without")
	case !utf8.ValidString(account), strings.ContainsFunc(account, unicode.IsControl):
		err = errors.New("the name is not UTF-8, or holds control characters")
	case !password.Valid(hash):
		err = fmt.Errorf("the hash of %q is not of bcrypt: make it with `htpasswd -B` or `regate hash`", account)
	case password.Cost(hash) > password.MostCost:
		err = fmt.Errorf("the hash of %q has cost %d, which keeps a core busy for minutes at each login: make one of 10 to 12", account, password.Cost(hash))
	}
	return account, hash, err
}
