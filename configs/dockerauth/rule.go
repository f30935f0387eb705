package dockerauth

import (
	"fmt"
	"slices"
	"strings"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/internal/problem"
)

// A rule is an entry of acl, for the gate.
type rule struct {
	acl.Rule
	path    string
	line    int
	last    int                    // line of the last value in it
	comment string                 // of the source
	kept    bool                   // it is what it was
	lines   map[string]int         // of the keys of match, by their paths below the rule
	parts   map[string]translation // the patterns, in the same way
	lost    string                 // why it never applies in docker_auth; it is left out then
	refuses bool                   // it cannot be said, and grants nothing until somebody has rewritten it
}

// readRule makes the gate's rule of an entry of acl.
func readRule(report *Report, path string, n *node) *rule {
	r := &rule{path: path, line: n.line, last: n.last, comment: n.comment, lines: make(map[string]int), parts: make(map[string]translation)}
	s := newSection(report, path, n)
	r.Match = &acl.Match{}
	r.readMatch(report, s)
	r.readActions(report, s)
	r.readComment(report, s)
	s.rest()
	r.settle(report)
	return r
}

// refuse closes a rule that cannot be said. Left out, it would leave what it
// is about to those after it, which may grant more.
func (r *rule) refuse(report *Report, line int, path, format string, args ...any) {
	report.add(line, Dangerous, path, "%s; the rule refuses here until you have rewritten it", fmt.Sprintf(format, args...))
	r.refuses = true
}

// readActions: docker_auth compares actions as texts, so that one which no
// client asks for has no effect.
func (r *rule) readActions(report *Report, s *section) {
	r.Actions = []string{}
	e, ok := s.find("actions")
	path := s.key("actions")
	if !ok {
		report.add(max(e.line, r.line), Changed, path, "is missing: docker_auth breaks off a request that gets here; here the rule refuses")
		return
	}
	actions, ok := e.val.texts()
	switch {
	case !ok:
		r.refuse(report, e.line, path, "is not a list of texts, with which docker_auth does not start")
		return
	case slices.Equal(actions, []string{"*"}), slices.Contains(actions, "*") && r.isCatalog():
		r.Actions = []string{"*"}
		return
	}
	for _, a := range actions {
		switch known, ok := oci.ParseAction(a); {
		case ok && known != oci.Any:
			r.Actions = append(r.Actions, a)
		case ok:
			report.add(e.line, Changed, path, `"*" beside other actions is left out: it does not stand for all of them, and lists the catalog at most; write ["*"] alone if you mean all`)
		default:
			report.add(e.line, Changed, path, "%q is left out: no client asks for it, so it has no effect", a)
		}
	}
	slices.Sort(r.Actions)
	r.Actions = slices.Compact(r.Actions)
}

// isCatalog reports whether a rule is for the catalog alone, which is asked for
// as "*" and nothing else.
func (r *rule) isCatalog() bool { return r.Match.Type != nil && *r.Match.Type == oci.Registry }

func (r *rule) readComment(report *Report, s *section) {
	text, line, ok := s.text("comment")
	switch {
	case ok && sayable(text):
		r.Comment = text
	case ok:
		report.add(line, Changed, s.key("comment"), "is left out: ${env:…} can stand in secrets only")
	}
}

// settle sees to it that the gate takes the rule.
func (r *rule) settle(report *Report) {
	switch {
	case r.refuses:
		r.lost = ""
	case r.lost != "":
		r.reportLost(report)
		return
	}
	if !sayable(r.String()) {
		r.refuse(report, r.line, r.path, "has ${env:…} in it, which can stand in secrets only")
	}
	for _, p := range problemsOf(r.Rule) {
		if key := strings.TrimPrefix(p.Path, "[0]."); !p.Warning {
			r.refuse(report, r.lineOf(key), problem.Join(r.path, key), "%s", p.Msg)
		} else if !r.refuses {
			report.add(r.lineOf(key), kindOf(p.Msg), problem.Join(r.path, key), "%s", p.Msg)
		}
	}
	if r.refuses {
		r.close()
		return
	}
	if t, ok := r.parts["name"]; ok && t.wildcards() && len(r.Actions) == 0 {
		report.add(r.lines["name"], Dangerous, problem.Join(r.path, "match.name"), `refuses less than it seems to: * does not match "/", here as there`)
	} else if ok && t.text == "*" {
		report.add(r.lines["name"], Dangerous, problem.Join(r.path, "match.name"), `is not everything: * does not match "/", here as there, so team/app is no such name`)
	}
}

func (r *rule) reportLost(report *Report) {
	if len(r.Actions) == 0 {
		report.add(r.line, Dangerous, r.path, "%s, so that it never applies in docker_auth, and refuses nothing there; it is left out", r.lost)
		return
	}
	report.add(r.line, Changed, r.path, "%s, so that it never applies in docker_auth; it is left out", r.lost)
}

// kindOf: what the rules package says of docker_auth is where the gate decides
// otherwise; the rest is what people are surprised by, here as there.
func kindOf(warning string) Kind {
	if strings.Contains(warning, "docker_auth") {
		return Changed
	}
	return Dangerous
}

// lineOf is the line of a key below the rule.
func (r *rule) lineOf(key string) int {
	if line := r.lines[strings.TrimPrefix(key, "match.")]; line > 0 {
		return line
	}
	return r.line
}

func problemsOf(r acl.Rule) (all problem.List) {
	all.Under("", acl.Config{r}.Validate())
	return all
}

// close leaves of a rule what can be said of whom it is about, and grants
// nothing.
func (r *rule) close() {
	was := *r.Match
	r.Match, r.Actions = &acl.Match{}, []string{}
	keep := func(set func(*acl.Match)) {
		var alone acl.Match
		set(&alone)
		if single := (acl.Rule{Match: &alone, Actions: r.Actions}); sayable(single.String()) && !problemsOf(single).Fatal() {
			set(r.Match)
		}
	}
	keep(func(m *acl.Match) { m.Account = was.Account })
	keep(func(m *acl.Match) { m.Type = was.Type })
	keep(func(m *acl.Match) { m.Name = was.Name })
	keep(func(m *acl.Match) { m.Service = was.Service })
	keep(func(m *acl.Match) { m.IP = was.IP })
	for label, pattern := range was.Labels {
		keep(func(m *acl.Match) { setLabel(m, label, pattern) })
	}
}
