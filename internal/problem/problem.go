// Package problem collects what is wrong with a configuration, so that all of
// it can be said at once.
//
// A Config's Validate adds a Problem for each mistake, with the path of the
// key as it is written in the file ("acl[3].match.account"), and returns
// List.Err. Whoever joins configurations moves the paths below their own with
// Under. The package knows neither files nor lines: configs finds the line of
// a path. Its values live as long as one load.
package problem

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// A Problem is one mistake in a configuration.
type Problem struct {
	Path    string // of the key, relative to the Config that found it; "" is the Config itself
	Msg     string // what is wrong and what to do, lower case, without a full stop
	Warning bool   // worth saying, but no reason to refuse the configuration
}

func (p Problem) Error() string {
	if p.Path == "" {
		return p.Msg
	}
	return p.Path + ": " + p.Msg
}

// A List is what is wrong with one configuration. The zero List is empty and ready.
type List []Problem

// Addf adds a mistake at path.
func (l *List) Addf(path, format string, args ...any) {
	*l = append(*l, Problem{Path: path, Msg: fmt.Sprintf(format, args...)})
}

// Warnf adds a remark at path that does not make the configuration invalid.
func (l *List) Warnf(path, format string, args ...any) {
	*l = append(*l, Problem{Path: path, Msg: fmt.Sprintf(format, args...), Warning: true})
}

// Under adds the problems of err, which a part's Validate returned, with their
// paths below path. An error that is no List is added as one mistake at path.
func (l *List) Under(path string, err error) {
	if err == nil {
		return
	}
	var part List
	if !errors.As(err, &part) {
		l.Addf(path, "%v", err)
		return
	}
	for _, p := range part {
		p.Path = Join(path, p.Path)
		*l = append(*l, p)
	}
}

// At is err as the problem of what is at path; nil if there is none.
func At(path string, err error) error {
	var l List
	l.Under(path, err)
	return l.Err()
}

// Err is the list as an error; nil if it is empty.
func (l List) Err() error {
	if len(l) == 0 {
		return nil
	}
	return l
}

// Fatal reports whether there is anything besides warnings.
func (l List) Fatal() bool {
	for _, p := range l {
		if !p.Warning {
			return true
		}
	}
	return false
}

func (l List) Error() string {
	lines := make([]string, len(l))
	for i, p := range l {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Join puts a path below another: "auth" and "acl[3]" make "auth.acl[3]", and
// "acl" and "[3].match" make "acl[3].match".
func Join(path, below string) string {
	if path == "" || below == "" || strings.HasPrefix(below, "[") {
		return path + below
	}
	return path + "." + below
}

// Printable is text for a terminal: what would move the cursor there, or look
// like a line of its own, stands in it as Go writes it.
func Printable(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// Key puts a key of a map below path, in brackets if it would not be seen as
// one: auth.users.alice, but auth.users["a.b"] and auth.users[""].
func Key(path, key string) string {
	if plainKey.MatchString(key) {
		return Join(path, key)
	}
	return path + "[" + strconv.Quote(key) + "]"
}
