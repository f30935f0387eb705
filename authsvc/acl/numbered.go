package acl

import (
	"cmp"
	"fmt"
	"slices"
)

// A Numbered is a rule with its place among those of a Source.
type Numbered struct {
	Seq  int64
	Rule Rule
}

// InOrder returns the rules in the order of their places, whatever order they
// come in: a database may sort 9 behind 10, if its column is one of texts. Two
// in one place are an error, since nobody could say which one comes first, and
// a database may say now this, now that.
func InOrder(all []Numbered) (Config, error) {
	slices.SortFunc(all, func(a, b Numbered) int { return cmp.Compare(a.Seq, b.Seq) })
	rules := make(Config, len(all))
	for i, n := range all {
		if i > 0 && all[i-1].Seq == n.Seq {
			return nil, fmt.Errorf("there are two rules with seq %d, so it is not known which comes first: give each its own", n.Seq)
		}
		rules[i] = n.Rule
	}
	return rules, nil
}
