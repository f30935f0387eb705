package configs

import (
	"strconv"

	"gopkg.in/yaml.v3"

	"github.com/regate/regate/internal/problem"
)

// A grower makes nodes of what the parser found.
type grower struct {
	bad    *mistakes
	done   map[*yaml.Node]*node // nil while the node is being made
	size   int                  // nodes made
	copies int                  // entries that merges have added
}

func (g *grower) grow(y *yaml.Node, path string) *node {
	if y.Kind == yaml.AliasNode {
		return g.alias(y, path)
	}
	g.size++
	if y.Anchor != "" {
		g.done[y] = nil
	}
	n := &node{line: y.Line}
	switch y.Kind {
	case yaml.MappingNode:
		n.kind = mapping
		g.mapping(n, y, path)
	case yaml.SequenceNode:
		n.kind = list
		for i, item := range y.Content {
			n.items = append(n.items, g.grow(item, indexPath(path, i)))
		}
	default:
		n.tag, n.text = y.ShortTag(), y.Value
		n.quoted = y.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0
	}
	if y.Anchor != "" {
		g.done[y] = n
	}
	return n
}

// alias returns the node that an alias stands for. An anchor within itself
// would make a circle, and becomes an empty value.
func (g *grower) alias(y *yaml.Node, path string) *node {
	n := g.done[y.Alias]
	if n == nil {
		g.bad.addf(y.Line, path, "the anchor contains itself")
		return &node{line: y.Line, tag: "!!str"}
	}
	return n
}

func (g *grower) mapping(n *node, y *yaml.Node, path string) {
	lines := make(map[string]int)
	var merges []*node
	for i := 0; i+1 < len(y.Content); i += 2 {
		k, v := y.Content[i], y.Content[i+1]
		if k.ShortTag() == "!!merge" {
			merges = append(merges, g.merged(v, path)...)
			continue
		}
		key, ok := g.key(k, path)
		if !ok {
			continue
		}
		below := problem.Key(path, key)
		val := g.grow(v, below)
		if first, ok := lines[key]; ok {
			g.bad.addf(k.Line, below, "given twice, first in line %d", first)
			continue
		}
		lines[key] = k.Line
		n.entries = append(n.entries, entry{key, k.Line, val})
	}
	g.merge(n, merges, lines)
}

func (g *grower) key(k *yaml.Node, path string) (string, bool) {
	switch {
	case k.Kind != yaml.ScalarNode:
		g.bad.addf(k.Line, path, "a key must be plain text")
	case k.ShortTag() == "!!null":
		g.bad.addf(k.Line, path, `a key is missing before the colon; write "" if it is the empty one`)
	default:
		return k.Value, true
	}
	return "", false
}

// merged returns what stands behind "<<": a mapping, or a list of mappings of
// which the first one with a key wins (yaml.org/type/merge.html).
func (g *grower) merged(v *yaml.Node, path string) []*node {
	n := g.grow(v, path)
	from := []*node{n}
	if n.kind == list {
		from = n.items
	}
	if !g.mayCopy(v.Line, len(from)) {
		return nil
	}
	for _, f := range from {
		if f.kind != mapping {
			g.bad.addf(v.Line, path, "<< takes a mapping or a list of mappings, got %s", f.kind)
			return nil
		}
	}
	return from
}

// merge adds the entries of the others that are not there yet.
func (g *grower) merge(n *node, others []*node, lines map[string]int) {
	for _, o := range others {
		if !g.mayCopy(n.line, len(o.entries)) {
			return
		}
		for _, e := range o.entries {
			if _, ok := lines[e.key]; !ok {
				lines[e.key] = e.line
				n.entries = append(n.entries, e)
			}
		}
	}
}

// mayCopy counts what merges copy, and says once that it is too much.
func (g *grower) mayCopy(line, more int) bool {
	if g.copies <= maxCopies && g.copies+more > maxCopies {
		g.bad.addf(line, "", "merges (<<) repeat more than %d values", maxCopies)
	}
	g.copies += more
	return g.copies <= maxCopies
}

func indexPath(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
