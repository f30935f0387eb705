package dockerauth

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/regate/regate/internal/problem"
)

// A section is a mapping with known keys, as docker_auth reads it: the last of
// two equal keys counts, and a key without a value is not there.
type section struct {
	report  *Report
	path    string
	line    int
	entries []entry
	used    map[string]bool
	foreign bool // no mapping stands there
}

func newSection(report *Report, path string, n *node) *section {
	s := &section{report: report, path: path, line: n.line, used: make(map[string]bool)}
	if n.kind == mapping {
		s.entries = slices.Clip(n.entries) // others have them too
	} else if !n.null {
		s.foreign = true
		s.wrong(n.line, "", "a mapping")
	}
	return s
}

func (s *section) key(name string) string { return problem.Key(s.path, name) }

// find returns the entry that counts. It is not there if it has no value.
func (s *section) find(key string) (found entry, ok bool) {
	said := s.used[key]
	s.used[key] = true
	for _, e := range s.entries {
		if e.key != key {
			continue
		}
		if ok && !said && !found.merged && !e.merged {
			s.report.add(found.line, Needless, s.key(key), "is given again in line %d, which counts", e.line)
		}
		found, ok = e, true
	}
	return found, ok && !found.val.null
}

// each returns the entries that count of a mapping whose keys are names: of
// two equal ones the last, in the place of the first.
func (s *section) each() []entry {
	var all []entry
	at := make(map[string]int)
	for _, e := range s.entries {
		s.used[e.key] = true
		i, again := at[e.key]
		if !again {
			at[e.key], all = len(all), append(all, e)
			continue
		}
		if !all[i].merged && !e.merged {
			s.report.add(all[i].line, Needless, s.key(e.key), "is given again in line %d, which counts", e.line)
		}
		all[i] = e
	}
	return all
}

// child is a section in the section. That of a key which is given twice has
// what is in both.
func (s *section) child(key string) (sub *section, ok bool) {
	s.used[key] = true
	for _, e := range s.entries {
		switch {
		case e.key != key:
		case e.val.null:
			sub, ok = nil, false
		case ok:
			sub.entries = append(sub.entries, e.val.entries...)
		default:
			sub, ok = newSection(s.report, s.key(key), e.val), true
			sub.line = e.line
		}
	}
	return sub, ok
}

// optional is child, and an empty section if it is not there.
func (s *section) optional(key string) *section {
	if sub, ok := s.child(key); ok {
		return sub
	}
	return &section{report: s.report, path: s.key(key), used: make(map[string]bool)}
}

// wrong reports a value of another kind, with which docker_auth does not start.
func (s *section) wrong(line int, key, expected string) {
	path := s.path
	if key != "" {
		path = s.key(key)
	}
	s.report.add(line, Changed, path, "is left out: it is not %s, and docker_auth does not start with it", expected)
}

func (s *section) text(key string) (text string, line int, ok bool) {
	e, ok := s.find(key)
	if ok && !e.val.isText() {
		s.wrong(e.line, key, "a text")
		ok = false
	}
	if !ok {
		return "", 0, false
	}
	return e.val.text, e.line, true
}

// isText reports whether docker_auth reads a text here: numbers, dates, true
// and false are what is written.
func (n *node) isText() bool { return n.kind == scalar && n.tag != "!!binary" }

func (s *section) number(key string) (number, line int, ok bool) {
	e, ok := s.find(key)
	if !ok {
		return 0, 0, false
	}
	y := yaml.Node{Kind: yaml.ScalarNode, Tag: e.val.tag, Value: e.val.text}
	var f float64
	if e.val.kind != scalar || y.Decode(&f) != nil || f != float64(int(f)) {
		s.wrong(e.line, key, "a whole number")
		return 0, 0, false
	}
	return int(f), e.line, true
}

func (s *section) flag(key string) (yes bool, line int, ok bool) {
	e, ok := s.find(key)
	if !ok {
		return false, 0, false
	}
	switch strings.ToLower(e.val.text) { // YAML 1.1
	case "true", "yes", "on", "y":
		return true, e.line, true
	case "false", "no", "off", "n":
		return false, e.line, true
	}
	s.wrong(e.line, key, "true or false")
	return false, 0, false
}

func (s *section) texts(key string) (texts []string, line int, ok bool) {
	e, ok := s.find(key)
	if !ok {
		return nil, 0, false
	}
	texts, ok = s.textsOf(e)
	return texts, e.line, ok
}

func (s *section) textsOf(e entry) (texts []string, ok bool) {
	if texts, ok = e.val.texts(); !ok {
		s.wrong(e.line, e.key, "a list of texts")
	}
	return texts, ok
}

// texts is a list; an element without a value is "".
func (n *node) texts() ([]string, bool) {
	if n.kind != list {
		return nil, false
	}
	texts := make([]string, len(n.items))
	for i, item := range n.items {
		if !item.isText() {
			return nil, false
		}
		if !item.null {
			texts[i] = item.text
		}
	}
	return texts, true
}

// mostGuesses is for how many keys of a mapping it is said what was meant.
const mostGuesses = 100

// rest reports the keys that nobody has asked for.
func (s *section) rest() {
	known := slices.Sorted(maps.Keys(s.used))
	for i, e := range s.unknown() {
		what := "docker_auth knows no such key, and ignores it"
		if i < mostGuesses {
			if near := problem.Nearest(e.key, known); near != "" {
				what += "; was " + near + " meant?"
			}
		}
		s.report.add(e.line, Needless, s.key(e.key), "%s", what)
	}
}

func (s *section) unknown() []entry {
	return slices.DeleteFunc(slices.Clone(s.entries), func(e entry) bool { return s.used[e.key] })
}

func indexPath(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
