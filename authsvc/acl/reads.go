package acl

import (
	"maps"

	"github.com/regate/regate/authsvc/authn"
)

// Read is the part of labels that the rules look at: those that any condition
// names. Somebody may be in hundreds of groups of which they mention two.
func (l *List) Read(labels authn.Labels) authn.Labels {
	read := maps.Clone(labels)
	maps.DeleteFunc(read, func(label string, _ []authn.Label) bool { return !l.reads[label] })
	return read
}

// Read is the part of labels that any of the Deciders may look at: all of them,
// if one is there that does not say, or that says otherwise from time to time.
func (c Chain) Read(labels authn.Labels) authn.Labels {
	read := authn.Labels{}
	for _, d := range c {
		list, ok := d.(*List)
		if !ok {
			return labels
		}
		maps.Copy(read, list.Read(labels))
	}
	return read
}

// labelsOf are the labels that rules name, as a condition or in a pattern.
func labelsOf(rules []rule) map[string]bool {
	all := make(map[string]bool)
	for i := range rules {
		for _, c := range rules[i].conditions {
			if c.isLabel {
				all[c.label] = true
			}
			for _, p := range c.pattern.parts {
				if p.kind == labelValue {
					all[p.text] = true
				}
			}
		}
	}
	return all
}
