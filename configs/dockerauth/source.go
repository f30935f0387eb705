package dockerauth

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/regate/regate/configs"
)

const (
	// MaxSource is the size of the largest file that is read, in bytes: the
	// largest of the gate's own.
	MaxSource = 4 << 20
	// maxCopies is how many values aliases and merges may add to those that are
	// written, so that a few lines cannot grow to billions of values.
	maxCopies = 200_000
)

// A kind is what a value of the source looks like.
type kind int

const (
	scalar kind = iota
	list
	mapping
)

// A node is one value of the source. Aliases are the node that they stand for.
type node struct {
	kind    kind
	line    int
	last    int // line of the last value in it
	null    bool
	tag     string
	text    string // of a scalar, without quotes
	items   []*node
	entries []entry
	comment string // that stands above it or beside it
}

// An entry is a key and its value. A key may be there more than once.
type entry struct {
	key     string
	line    int
	val     *node
	merged  bool   // by <<
	comment string // that stands above it or beside it
}

// A SyntaxError says that the source is no YAML.
type SyntaxError struct {
	Line int
	Msg  string
}

func (e *SyntaxError) Error() string { return strconv.Itoa(e.Line) + ": " + e.Msg }

// parse reads the first document, as yaml.v2 does, with which docker_auth
// reads. second is the line of a second one, 0 if there is none.
func parse(source []byte) (root *node, second int, err error) {
	if len(source) > MaxSource {
		return nil, 0, fmt.Errorf("larger than %d MiB", MaxSource>>20)
	}
	var doc, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(source))
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return &node{kind: mapping, line: 1, null: true}, 0, nil
	} else if err != nil {
		line, msg := configs.SyntaxError(source, err)
		return nil, 0, &SyntaxError{line, msg}
	}
	if d.Decode(&more) == nil {
		second = max(more.Line, 1)
	}
	g := grower{growing: make(map[*yaml.Node]bool), left: maxCopies + len(source)}
	root, err = g.grow(doc.Content[0])
	return root, second, err
}

// A grower makes nodes of what the parser found.
type grower struct {
	growing map[*yaml.Node]bool
	left    int // nodes that may still be made
}

func (g *grower) grow(y *yaml.Node) (*node, error) {
	if g.left--; g.left < 0 {
		return nil, &SyntaxError{y.Line, fmt.Sprintf("aliases (*) and merges (<<) repeat more than %d values", maxCopies)}
	}
	if y.Kind == yaml.AliasNode {
		if g.growing[y.Alias] {
			return nil, &SyntaxError{y.Line, "an anchor contains itself"}
		}
		n, err := g.grow(y.Alias)
		if err == nil {
			n.line, n.last = y.Line, y.Line
		}
		return n, err
	}
	g.growing[y] = true
	defer delete(g.growing, y)
	n := &node{line: y.Line, last: y.Line, comment: comments(y)}
	switch y.Kind {
	case yaml.MappingNode:
		n.kind = mapping
		return n, g.mapping(n, y)
	case yaml.SequenceNode:
		n.kind = list
		return n, g.list(n, y)
	}
	n.tag, n.text = y.ShortTag(), y.Value
	n.null = n.tag == "!!null"
	n.last += strings.Count(y.Value, "\n")
	return n, nil
}

func (g *grower) list(n *node, y *yaml.Node) error {
	for _, item := range y.Content {
		v, err := g.grow(item)
		if err != nil {
			return err
		}
		n.items, n.last = append(n.items, v), max(n.last, v.last)
	}
	return nil
}

func (g *grower) mapping(n *node, y *yaml.Node) error {
	for i := 0; i+1 < len(y.Content); i += 2 {
		k := y.Content[i]
		v, err := g.grow(y.Content[i+1])
		if err != nil {
			return err
		}
		n.last = max(n.last, v.last)
		switch {
		case k.ShortTag() == "!!merge":
			if err := n.merge(v); err != nil {
				return err
			}
			continue
		case k.Kind == yaml.AliasNode:
			k = k.Alias
		}
		if k.Kind != yaml.ScalarNode {
			return &SyntaxError{y.Content[i].Line, "a key must be plain text"}
		}
		key := k.Value
		if k.ShortTag() == "!!null" { // which is "" in a map of texts
			key = ""
		}
		n.entries = append(n.entries, entry{key: key, line: y.Content[i].Line, val: v, comment: comments(k)})
	}
	return nil
}

// merge adds what stands behind "<<" where it stands: yaml.v2 lets it replace
// what comes before it, and be replaced by what comes after it.
func (n *node) merge(v *node) error {
	from := []*node{v}
	if v.kind == list {
		from = slices.Clone(v.items)
		slices.Reverse(from) // the first one wins
	}
	for _, f := range from {
		if f.kind != mapping {
			return &SyntaxError{v.line, "<< takes a mapping or a list of mappings"}
		}
		for _, e := range f.entries {
			e.merged = true
			n.entries = append(n.entries, e)
		}
	}
	return nil
}

func comments(y *yaml.Node) string {
	return strings.TrimSpace(y.HeadComment + "\n" + y.LineComment)
}
