package proxy

import (
	"math"
	"strings"

	"github.com/regate/regate/internal/oci"
)

// An index finds the first of many routes that takes a request, in a time that
// depends on the name, and hardly on how many routes there are.
type index struct {
	hosts     map[place]*tree
	wildcards map[place]*tree // by what follows the first label
	anywhere  map[place]*tree
}

// A place is what a request must have equal to a route's conditions.
type place struct{ host, namespace string }

// A tree has the routes of one place, by the components of their patterns.
type tree struct {
	first indices // of all routes, whatever their patterns
	root  node
}

// A node is where the patterns with the same beginning are.
type node struct {
	ends  indices // of the routes whose patterns end here
	parts map[string]*node
	globs []glob // parts with stars
	deep  *node  // the part "**"
	stays bool   // it is such a part itself
}

type glob struct {
	part string
	*node
}

// indices are the first routes for each action; missing if there is none.
type indices [len(actions)]int32

const missing = math.MaxInt32

var (
	actions = [...]oci.Actions{oci.Pull, oci.Push, oci.Delete}
	nothing = indices{missing, missing, missing}
)

func newNode() *node { return &node{ends: nothing} }

func newIndex(routes []*Route) *index {
	x := &index{make(map[place]*tree), make(map[place]*tree), make(map[place]*tree)}
	for i, r := range routes {
		t := x.tree(r.condition)
		t.first.add(int32(i), r.actions)
		t.root.at(r.pattern).ends.add(int32(i), r.actions)
	}
	return x
}

// tree is the one for the places that c allows.
func (x *index) tree(c condition) *tree {
	trees, at := x.hosts, place{c.host, c.namespace}
	if rest, ok := strings.CutPrefix(c.host, "*."); ok {
		trees, at.host = x.wildcards, rest
	} else if c.host == "" {
		trees = x.anywhere
	}
	if trees[at] == nil {
		trees[at] = &tree{first: nothing, root: node{ends: nothing}}
	}
	return trees[at]
}

// at is the node of a pattern.
func (n *node) at(p pattern) *node {
	if len(p) == 0 {
		return n
	}
	return n.child(p[0]).at(p[1:])
}

func (n *node) child(part string) *node {
	switch {
	case part == deep:
		if n.deep == nil {
			n.deep = newNode()
			n.deep.stays = true
		}
		return n.deep
	case strings.Contains(part, "*"):
		for _, g := range n.globs {
			if g.part == part {
				return g.node
			}
		}
		n.globs = append(n.globs, glob{part, newNode()})
		return n.globs[len(n.globs)-1].node
	case n.parts == nil:
		n.parts = make(map[string]*node)
	}
	if n.parts[part] == nil {
		n.parts[part] = newNode()
	}
	return n.parts[part]
}

func (x *indices) add(i int32, takes oci.Actions) {
	for k, a := range actions {
		if takes&a != 0 {
			x[k] = min(x[k], i)
		}
	}
}

func (x *indices) least(wanted oci.Actions) int32 {
	least := int32(missing)
	for k, a := range actions {
		if wanted&a != 0 {
			least = min(least, x[k])
		}
	}
	return least
}

// find returns the index of the first route that takes what is asked for;
// missing if there is none.
func (x *index) find(host string, a asked) int32 {
	least := int32(missing)
	for _, t := range [...]*tree{
		x.hosts[place{host, a.namespace}],
		x.wildcards[place{parent(host), a.namespace}],
		x.anywhere[place{"", a.namespace}],
	} {
		if t == nil {
			continue
		}
		if a.repo == "" {
			least = min(least, t.first.least(a.actions))
		} else {
			least = min(least, t.root.find(a))
		}
	}
	return least
}

// parent is a host without its first label; "" if a wildcard of a certificate
// would not match it (RFC 6125 6.4.3).
func parent(host string) string {
	label, rest, _ := strings.Cut(host, ".")
	if label == "" || strings.Trim(host, "0123456789.") == "" || strings.Contains(host, ":") {
		return ""
	}
	return rest
}

// find goes down all branches at once. Two lead to one node only if that stays
// for the next component.
func (n *node) find(a asked) int32 {
	var buf [2][16]*node
	now, next := append(buf[0][:0], n), buf[1][:0]
	for rest := a.repo; rest != "" && len(now) > 0; now, next = next, now[:0] {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		for _, n := range now {
			next = n.step(part, next)
		}
	}
	least := int32(missing)
	for _, n := range now {
		least = min(least, n.ends.least(a.actions))
	}
	return least
}

// step adds the nodes that follow n after one component.
func (n *node) step(part string, to []*node) []*node {
	if n.stays {
		to = addOnce(to, n)
	}
	if c := n.parts[part]; c != nil {
		to = append(to, c)
	}
	for _, g := range n.globs {
		if matchPart(g.part, part) {
			to = append(to, g.node)
		}
	}
	if n.deep != nil {
		to = addOnce(to, n.deep)
	}
	return to
}

func addOnce(to []*node, n *node) []*node {
	for _, has := range to {
		if has == n {
			return to
		}
	}
	return append(to, n)
}
