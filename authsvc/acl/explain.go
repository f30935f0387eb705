package acl

import (
	"fmt"
	"regexp"

	"github.com/regate/regate/internal/oci"
)

// An Explanation says why an Ask got what it got.
type Explanation struct {
	Rule      int        `json:"rule"`           // that decided, counted from 0 as in acl[0]; -1 for none
	Text      string     `json:"text,omitempty"` // of the rule
	Granted   oci.Access `json:"granted"`
	Undecided bool       `json:"undecided,omitempty"` // too many combinations of labels to try, so nothing is granted
	Missed    []Miss     `json:"missed,omitempty"`    // the rules before it
}

// A Miss is a rule that did not apply.
type Miss struct {
	Rule    int    `json:"rule"`
	Text    string `json:"text"`
	Because string `json:"because"`
}

// Explain decides as Decide does, and says which rule it was and why not one
// before it.
func (l *List) Explain(a Ask) Explanation {
	q := a.query()
	i, v := l.decide(&q)
	e := Explanation{Rule: -1, Granted: l.granted(a.Want, i, v), Undecided: v == undecided}
	if v != no {
		e.Rule, e.Text = i, l.config[i].String()
	}
	for k := range i {
		e.Missed = append(e.Missed, Miss{k, l.config[k].String(), l.rules[k].because(&q)})
	}
	return e
}

// because names the first condition that does not hold.
func (r *rule) because(q *query) string {
	switch {
	case !r.network.IsValid() || r.network.Contains(q.from):
	case !q.from.IsValid():
		return "the address of the client is not known"
	default:
		return fmt.Sprintf("the address %s is not in %s", q.from, r.network)
	}
	for i := range r.conditions {
		c := &r.conditions[i]
		switch {
		case c.match(q, r) != no:
		case c.isLabel:
			return fmt.Sprintf("no value of the label %q matches %q", c.label, c.pattern.written) + q.lacks(c.pattern.written)
		default:
			return fmt.Sprintf("the %s %q does not match %q", c.field, q.fields[c.field], c.pattern.written) + q.lacks(c.pattern.written)
		}
	}
	return ""
}

var labelMention = regexp.MustCompile(`\$\{labels:([^}]+)\}`)

// lacks says which label of a pattern nobody has given the account a value of;
// "" if there is none.
func (q *query) lacks(pattern string) string {
	for _, m := range labelMention.FindAllStringSubmatch(pattern, -1) {
		if len(q.labels[m[1]]) == 0 {
			return fmt.Sprintf(": the account has no label %q", m[1])
		}
	}
	return ""
}
