package configs

import (
	"bytes"
	"errors"
	"io"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// maxFile is the size of the largest file that is read, in bytes: a hundred
// thousand rules, and nothing that could fill the memory.
const maxFile = 4 << 20

// maxCopies is how many values aliases and merges may add to those that are
// written down, so that a few lines cannot grow to billions of values.
const maxCopies = 200_000

type kind int

const (
	scalar kind = iota
	list
	mapping
)

func (k kind) String() string { return [...]string{"a single value", "a list", "a mapping"}[k] }

// A node is one value of the file. Aliases are the node they stand for, so a
// node may have several parents, but never itself for one; merges are done,
// and the keys of a mapping differ.
type node struct {
	kind    kind
	line    int
	tag     string  // of a scalar: !!str, !!int, !!null …
	text    string  // of a scalar, as it is written, without quotes
	items   []*node // of a list
	quoted  bool    // a scalar in quotes
	entries []entry // of a mapping, in the order of the file
}

type entry struct {
	key  string
	line int
	val  *node
}

func (n *node) null() bool { return n.kind == scalar && n.tag == "!!null" }

// parse reads a file of one document. It returns nil if that cannot be read
// at all, and an empty mapping for a file that says nothing.
func parse(data []byte, bad *mistakes) (root *node, size int) {
	if line, ok := unreadable(data); ok {
		bad.addf(line, "", "not a text in UTF-8, or one with control characters")
		return nil, 0
	}
	var doc, second yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return &node{kind: mapping, line: 1}, 0
	}
	if err == nil {
		err = dec.Decode(&second)
		if err == nil {
			bad.addf(second.Line, "", "a second document begins here, and a configuration is one")
			return nil, 0
		}
	}
	if !errors.Is(err, io.EOF) {
		line, msg := SyntaxError(data, err)
		bad.addf(line, "", "%s", msg)
		return nil, 0
	}
	g := grower{bad: bad, done: make(map[*yaml.Node]*node)}
	root = g.grow(doc.Content[0], "")
	if root.null() {
		return &node{kind: mapping, line: 1}, 0
	}
	if root.kind != mapping {
		bad.addf(root.line, "", "expected a mapping such as \"tls: {…}\", got %s", root.kind)
		return nil, 0
	}
	return root, g.size
}

// unreadable finds the first line that is not text. The parser would refuse
// it as well, but not say where it is.
func unreadable(data []byte) (line int, found bool) {
	line = 1
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r == '\n':
			line++
		case r == utf8.RuneError && size == 1, control(r):
			return line, true
		}
		data = data[size:]
	}
	return 0, false
}

// control reports whether YAML forbids r (YAML 1.2, 5.1).
func control(r rune) bool {
	switch r {
	case '\t', '\r', '\u0085':
		return false
	case '\uFFFE', '\uFFFF':
		return true
	}
	return unicode.IsControl(r)
}
