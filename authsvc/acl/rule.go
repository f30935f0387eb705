package acl

import (
	"net/netip"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/oci"
)

// A query is an Ask, taken apart for the rules.
type query struct {
	fields [numFields]string
	from   netip.Addr
	labels authn.Labels
}

func (a *Ask) query() query {
	return query{
		fields: [numFields]string{
			account: a.Identity.Account, typ: a.Want.Type, name: a.Want.Name, service: a.Service,
		},
		from:   a.From.Unmap().WithZone(""),
		labels: a.Identity.Labels,
	}
}

// A rule is a Rule, compiled.
type rule struct {
	conditions []condition         // cheapest first
	network    netip.Prefix        // none if it is not valid
	fields     [numFields]*pattern // those that the conditions have, for captures
	actions    oci.Actions
	all        bool // ["*"]
}

// A condition is a pattern and what it is about: a field or a label.
type condition struct {
	pattern *pattern
	field   field
	label   string
	isLabel bool
}

// path is that of the condition's key in its rule.
func (c *condition) path() string {
	if c.isLabel {
		return "match.labels." + c.label
	}
	return "match." + c.field.String()
}

// match reports whether all conditions hold. One that does not settles the
// matter, even if another is undecided.
func (r *rule) match(q *query) verdict {
	if r.network.IsValid() && !r.network.Contains(q.from) { // an unknown address is nowhere
		return no
	}
	result := yes
	for i := range r.conditions {
		switch r.conditions[i].match(q, r) {
		case no:
			return no
		case undecided:
			result = undecided
		}
	}
	return result
}

func (c *condition) match(q *query, r *rule) verdict {
	if !c.isLabel {
		return c.pattern.match(q.fields[c.field], q, r)
	}
	result := no
	for _, l := range q.labels[c.label] {
		if v := c.pattern.match(l.Value, q, r); v == yes {
			return yes
		} else if v == undecided {
			result = undecided
		}
	}
	return result
}

// capture returns what a group of the rule's regex for a field matched; ok is
// false if the regex does not match at all, and then neither does the rule.
func (r *rule) capture(q *query, f field, group int) (text string, ok bool) {
	m := r.fields[f].re.FindStringSubmatch(q.fields[f])
	if m == nil {
		return "", false
	}
	return m[group], true
}

// grant is the part of want that the rule's actions give.
func (r *rule) grant(want oci.Actions) oci.Actions {
	if r.all {
		return want
	}
	return want & r.actions
}

// cost orders conditions by what they take to check. A label may have many
// values.
func (c *condition) cost() int {
	p := c.pattern
	cost := 0
	if _, literal := p.glob.literal(); !literal {
		cost++
	}
	if p.regex {
		cost += 2
	}
	if p.hasVariables() {
		cost += 4
	}
	if c.isLabel {
		cost += 5
	}
	return cost
}
