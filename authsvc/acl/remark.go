package acl

import (
	"fmt"
	"strings"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/internal/problem"
)

// manySlow is how many rules that must be tried for every question, and take
// their time, are worth a word.
const manySlow = 200

// remarker says what a rule may not mean.
type remarker struct {
	problems *problem.List
	captures bool // said already
	labels   bool // said already
}

// remark warns of rules that are valid, but may surprise, and of where
// docker_auth would decide otherwise.
func remark(problems *problem.List, c Config, rules []rule) {
	m := remarker{problems: problems}
	for i := range c {
		if match := c[i].Match; match != nil && match.everything() && i < len(c)-1 {
			problems.Warnf(fmt.Sprintf("[%d].match", i), "matches everything, so the rules after it never apply")
		}
		for k := range rules[i].conditions {
			m.condition(i, &rules[i].conditions[k])
		}
		m.resource(i, &rules[i])
	}
	if x := newIndex(rules); x.slow > manySlow {
		problems.Warnf("", "%d rules have regexes or labels, and no condition that begins with fixed text (in a regex, after ^): "+
			"each is tried for every request, which costs up to a millisecond per thousand", x.slow)
	}
}

func (m *remarker) condition(i int, c *condition) {
	path := problem.Join(fmt.Sprintf("[%d]", i), c.path())
	p := c.pattern
	switch {
	case p.loose:
		m.problems.Warnf(path, "the regex may match anywhere in the text; write /^…$/ if all of it is meant")
	case !p.regex && strings.Contains(p.written, "**"):
		m.problems.Warnf(path, `** is the same as *, which does not match "/"; write a regex such as /^team\/.*$/`)
	case !p.regex && c.field != service && strings.HasPrefix(p.written, "/"):
		m.problems.Warnf(path, "begins with / but does not end with it, so it is no regex")
	}
	if labels := p.template.multiplied(); len(labels) > 1 {
		m.problems.Warnf(path, "${labels:%s} multiply: for an account of which more than %d combinations of values occur in the text "+
			"nothing is granted, neither by this rule nor by those after it", strings.Join(labels, "} and ${labels:"), p.template.maxTries())
	}
	for _, v := range p.parts {
		m.variable(path, v, p.regex)
	}
}

// variable says what docker_auth does otherwise, once for each kind.
func (m *remarker) variable(path string, v part, regex bool) {
	switch {
	case v.kind == capture && !m.captures:
		m.captures = true
		m.problems.Warnf(path, "what ${%s:%d} stands for is taken literally, here and everywhere; "+
			"docker_auth takes * and the like in it for wildcards", v.field, v.group)
	case v.kind == labelValue && regex && !m.labels:
		m.labels = true
		m.problems.Warnf(path, "values of ${labels:%s} are taken literally in a regex, here and everywhere; "+
			"docker_auth takes them for parts of it", v.text)
	}
}

// resource looks at rules for types that are never asked for, and at those for
// the catalog that cannot grant it.
func (m *remarker) resource(i int, r *rule) {
	p := r.fields[typ]
	if p == nil || p.regex {
		return
	}
	switch t, literal := p.glob.literal(); {
	case !literal || p.hasVariables():
	case t == oci.Registry && !r.all && r.actions != 0:
		m.problems.Warnf(fmt.Sprintf("[%d].actions", i), `the catalog is listed with ["*"] only`)
	case t != oci.Repository && t != oci.Registry:
		m.problems.Warnf(fmt.Sprintf("[%d].match.type", i), "there are only repository and registry, so the rule never applies")
	}
}
