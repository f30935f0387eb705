package acl

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/regate/regate/internal/network"
	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/internal/problem"
)

// Validate reports all mistakes or, if there are none, as warnings what may mean
// something else than it seems to.
func (c Config) Validate() error {
	rules, problems := c.compile()
	if !problems.Fatal() {
		remark(&problems, c, rules)
	}
	return problems.Err()
}

// compile makes a rule of each Rule. The rules are of use only if the problems
// are not fatal.
func (c Config) compile() ([]rule, problem.List) {
	var problems problem.List
	rules := make([]rule, len(c))
	for i, r := range c {
		var found problem.List
		rules[i] = compileRule(r, &found)
		problems.Under(fmt.Sprintf("[%d]", i), found.Err())
	}
	return rules, problems
}

func compileRule(from Rule, problems *problem.List) rule {
	var r rule
	if from.Match == nil {
		problems.Addf("match", `is missing; write {} if the rule is for everybody and everything`)
	} else {
		r.compileMatch(from.Match, problems)
	}
	r.compileActions(from.Actions, problems)
	return r
}

func (r *rule) compileMatch(m *Match, problems *problem.List) {
	for f, text := range m.fields() {
		if text != nil {
			r.addCondition(condition{field: field(f)}, *text, problems)
		}
	}
	for _, label := range m.labelNames() {
		r.addCondition(condition{label: label, isLabel: true}, m.Labels[label], problems)
	}
	if m.IP != nil {
		var err error
		if r.network, err = network.Parse(*m.IP); err != nil {
			problems.Addf("match.ip", "%v", errNetwork(*m.IP))
		}
	}
	for i := range r.conditions {
		r.checkVariables(&r.conditions[i], problems)
	}
	slices.SortStableFunc(r.conditions, func(a, b condition) int { return cmp.Compare(a.cost(), b.cost()) })
}

func (r *rule) addCondition(c condition, text string, problems *problem.List) {
	p, err := compilePattern(text)
	if err != nil {
		problems.Addf(c.path(), "%v", err)
		return
	}
	c.pattern = &p
	if !c.isLabel {
		r.fields[c.field] = c.pattern
	}
	r.conditions = append(r.conditions, c)
}

// checkVariables finds variables that could never have a value.
func (r *rule) checkVariables(c *condition, problems *problem.List) {
	for _, v := range c.pattern.parts {
		switch {
		case v.kind == labelValue && c.isLabel:
			problems.Addf(c.path(), "${labels:%s} cannot stand in the pattern of a label", v.text)
		case v.kind == capture:
			if err := r.checkCapture(v); err != nil {
				problems.Addf(c.path(), "${%s:%d}: %v", v.field, v.group, err)
			}
		}
	}
}

func (r *rule) checkCapture(v part) error {
	switch p := r.fields[v.field]; {
	case p == nil || !p.regex:
		return fmt.Errorf("the rule has no regex for %s, or a broken one", v.field)
	case hasVariables(p.parts):
		return fmt.Errorf("the regex for %s has variables itself", v.field)
	case v.group < 1 || v.group > p.groups:
		return fmt.Errorf("the regex for %s has %d groups", v.field, p.groups)
	}
	return nil
}

func errNetwork(s string) error {
	return fmt.Errorf("%q is neither an address nor a network such as 10.0.0.0/8 or 2001:db8::/32", s)
}

func (r *rule) compileActions(names []string, problems *problem.List) {
	if names == nil {
		problems.Addf("actions", `is missing; write [] to refuse`)
	}
	if slices.Equal(names, []string{"*"}) {
		r.all = true
		return
	}
	for i, name := range names {
		a, err := parseAction(name)
		if err != nil {
			problems.Addf(fmt.Sprintf("actions[%d]", i), "%v", err)
		}
		r.actions |= a
	}
}

func parseAction(name string) (oci.Actions, error) {
	switch a, ok := oci.ParseAction(name); {
	case ok && a != oci.Any:
		return a, nil
	case ok:
		return 0, errors.New(`"*" beside other actions does not mean all of them; write ["*"] alone, or name the actions`)
	}
	return 0, fmt.Errorf(`%q is unknown; there are pull, push, delete and ["*"]`, name)
}
