package acl

import (
	"net/netip"
	"slices"
	"strings"
)

// A Shadow is a rule that can never apply, because one before it applies
// whenever it would.
type Shadow struct {
	Rule int `json:"rule"`
	By   int `json:"by"`
}

// Shadowed returns the rules that can never apply, as far as that can be seen
// from one earlier rule at a time: one that is equal, or whose every condition
// is absent or wider. Of regexes with variables only their texts are compared;
// the rules that have one and are not in never are in notCompared.
//
// It compares all rules with each other, which is for people who wait for the
// answer, not for every load.
func (l *List) Shadowed() (never []Shadow, notCompared []int) {
	for i := range l.rules {
		r := &l.rules[i]
		switch by := coveredBy(l.rules[:i], r); {
		case by >= 0:
			never = append(never, Shadow{Rule: i, By: by})
		case slices.ContainsFunc(r.conditions, func(c condition) bool { return c.pattern.regex && c.pattern.hasVariables() }):
			notCompared = append(notCompared, i)
		}
	}
	return never, notCompared
}

// coveredBy returns the first of the rules that covers r; -1 if none does.
func coveredBy(rules []rule, r *rule) int {
	for i := range rules {
		if rules[i].covers(r) {
			return i
		}
	}
	return -1
}

// covers reports whether r is known to match whenever other does.
func (r *rule) covers(other *rule) bool {
	if r.network.IsValid() && !wider(r.network, other.network) {
		return false
	}
	for i := range r.conditions {
		if c := &r.conditions[i]; !r.coversOne(c, other) && !c.universal() {
			return false
		}
	}
	return true
}

// coversOne reports whether a condition of other is known to imply c, of r.
func (r *rule) coversOne(c *condition, other *rule) bool {
	for i := range other.conditions {
		if r.widens(c, other, &other.conditions[i]) {
			return true
		}
	}
	return false
}

func wider(a, b netip.Prefix) bool {
	return b.IsValid() && a.Bits() <= b.Bits() && a.Contains(b.Addr())
}

// universal reports whether c always holds: names and types are never empty
// and have no line breaks, and types no slashes.
func (c *condition) universal() bool {
	if c.isLabel || c.field != name && c.field != typ {
		return false
	}
	switch c.pattern.written {
	case "/.*/", "/.+/", "/^.*$/", "/^.+$/":
		return true
	}
	return c.field == typ && c.pattern.written == "*"
}

// widens reports whether c, of r, is known to hold whenever o, of other, does.
func (r *rule) widens(c *condition, other *rule, o *condition) bool {
	if c.isLabel != o.isLabel || c.field != o.field || c.label != o.label {
		return false
	}
	if c.pattern.written == o.pattern.written {
		return r.sameCaptures(c, other)
	}
	if c.pattern.hasVariables() {
		return false
	}
	if o.pattern.heads.whole {
		return c.pattern.matchesAll(o.pattern.heads.texts)
	}
	return c.pattern.glob.widens(o.pattern.glob)
}

// matchesAll is for patterns without variables.
func (p *pattern) matchesAll(texts []string) bool {
	for _, s := range texts {
		if p.match(s, nil, nil) != yes {
			return false
		}
	}
	return true
}

// sameCaptures reports whether the groups that c mentions are of equal regexes
// in both rules.
func (r *rule) sameCaptures(c *condition, other *rule) bool {
	return !slices.ContainsFunc(c.pattern.parts, func(p part) bool {
		return p.kind == capture && (other.fields[p.field] == nil || r.fields[p.field].written != other.fields[p.field].written)
	})
}

// widens knows globs that are fixed text and a star, and others that begin
// with the text and have no slash after it.
func (g glob) widens(other glob) bool {
	if len(other) == 0 || len(g) == 0 || g[len(g)-1].kind != opStar {
		return false
	}
	text, fixed := g[:len(g)-1].literal()
	if !fixed || other[0].kind != opText && text != "" {
		return false
	}
	after := other
	if text != "" {
		rest, ok := strings.CutPrefix(other[0].text, text)
		if !ok || strings.Contains(rest, "/") {
			return false
		}
		after = other[1:]
	}
	return !slices.ContainsFunc(after, func(o op) bool {
		return o.kind == opText && strings.Contains(o.text, "/") || o.kind == opClass && o.matchRune('/')
	})
}

func (p *pattern) hasVariables() bool { return p.template.parts != nil }
