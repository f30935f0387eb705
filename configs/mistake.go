package configs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/regate/regate/internal/problem"
)

// maxMistakes is how many mistakes are collected before the reader gives up:
// more than a person reads, fewer than a hostile file could make.
const maxMistakes = 100

// A Mistake is one thing wrong with a configuration file, or worth a warning.
type Mistake struct {
	Line int    // in the file, from 1
	Path string // of the key, such as auth.acl[3].match.account; "" is the file itself
	Msg  string // what is wrong and what to do about it
}

// String is "line: path: message".
func (m Mistake) String() string {
	if m.Path == "" {
		return fmt.Sprintf("%d: %s", m.Line, m.Msg)
	}
	return fmt.Sprintf("%d: %s: %s", m.Line, m.Path, m.Msg)
}

// An Error is everything that is wrong with a configuration file, in the order
// of its lines.
type Error struct {
	File     string
	Mistakes []Mistake
}

// Error returns one line for each mistake: "regate.yaml:12: tls.hots: unknown key …".
func (e *Error) Error() string { return strings.Join(Lines(e.File, e.Mistakes), "\n") }

// Lines writes each mistake as "file:line: path: message".
func Lines(file string, list []Mistake) []string {
	lines := make([]string, len(list))
	for i, m := range list {
		lines[i] = file + ":" + m.String()
	}
	return lines
}

// mistakes collects while a file is read.
type mistakes struct {
	list  []Mistake
	meant []string // paths that misspelt keys were probably meant to be
}

func (m *mistakes) full() bool { return len(m.list) > maxMistakes }

func (m *mistakes) addf(line int, path, format string, args ...any) {
	switch {
	case len(m.list) < maxMistakes:
		m.list = append(m.list, Mistake{line, path, problem.Printable(fmt.Sprintf(format, args...))})
	case len(m.list) == maxMistakes:
		m.list = append(m.list, Mistake{line, "", "more mistakes follow; these come first"})
	}
}

// inOrder returns what was collected in the order of the lines.
func (m *mistakes) inOrder() []Mistake {
	slices.SortStableFunc(m.list, func(a, b Mistake) int { return a.Line - b.Line })
	return m.list
}

// touch reports whether a mistake was found at path, above or below it, so
// that what a Validate says about it would only say the same in other words.
func (m *mistakes) touch(path string) bool {
	return slices.Contains(m.meant, path) || slices.ContainsFunc(m.list, func(x Mistake) bool {
		return within(x.Path, path) || within(path, x.Path)
	})
}

// within reports whether path is above, or below it.
func within(path, above string) bool {
	rest, ok := strings.CutPrefix(path, above)
	return ok && (rest == "" || above == "" || rest[0] == '.' || rest[0] == '[')
}
