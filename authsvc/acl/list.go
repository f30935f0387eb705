package acl

import (
	"net/netip"
	"slices"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/oci"
)

// A List is the compiled rules. It does not change; calls may overlap. The
// zero List grants nothing.
type List struct {
	config Config
	rules  []rule
	index  index
	reads  map[string]bool // labels
}

// Compile returns a mistake for each thing that Validate has one for, but no
// warnings.
func Compile(c Config) (*List, error) {
	rules, problems := c.compile()
	if problems.Fatal() {
		return nil, problems.Err()
	}
	return &List{config: slices.Clone(c), rules: rules, index: newIndex(rules), reads: labelsOf(rules)}, nil
}

// An Ask is what somebody wants to do with one resource.
type Ask struct {
	Identity authn.Identity
	From     netip.Addr // the client; the zero Addr if it is not known
	Service  string     // that a token is asked for
	Want     oci.Access
}

func (l *List) granted(want oci.Access, rule int, v verdict) oci.Access {
	if v != yes {
		want.Actions = 0
		return want
	}
	want.Actions = l.rules[rule].grant(want.Actions)
	return want
}

// decide returns the first rule that matches or is undecided, which ends the
// search too: what would follow might grant what that rule was to refuse.
func (l *List) decide(q *query) (int, verdict) {
	s := search{rules: l.rules, query: q, best: len(l.rules)}
	l.index.search(&s)
	return s.best, s.verdict
}
