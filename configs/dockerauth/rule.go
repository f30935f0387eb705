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

func (r *rule) readMatch(report *Report, s *section) {
	m, ok := s.child("match")
	if !ok {
		r.refuse(report, r.line, r.path, "there is no match, with which docker_auth does not start")
		return
	}
	if m.foreign {
		r.refuse(report, m.line, m.path, "there are no conditions")
	}
	patterns := make(map[string]string)
	for _, field := range fields {
		if text, ok := r.condition(report, m, field); ok {
			patterns[field] = text
		}
	}
	labels := r.readLabels(report, m)
	if ip, ok := r.condition(report, m, "ip"); ok {
		r.Match.IP = &ip
	}
	r.readUnknown(report, m)
	live := captures(patterns)
	for field, text := range patterns {
		r.setField(field, r.translate(report, field, translate(text, live, true)))
	}
	for label, text := range labels {
		t := r.translate(report, problem.Key("labels", label), translate(text, live, false))
		setLabel(r.Match, label, t)
	}
}

func (r *rule) setField(field, pattern string) {
	switch field {
	case "account":
		r.Match.Account = &pattern
	case "type":
		r.Match.Type = &pattern
	case "name":
		r.Match.Name = &pattern
	case "service":
		r.Match.Service = &pattern
	}
}

func setLabel(m *acl.Match, label, pattern string) {
	if m.Labels == nil {
		m.Labels = make(map[string]string)
	}
	m.Labels[label] = pattern
}

// condition is a text below match. A key without a value is a condition that
// docker_auth does not have.
func (r *rule) condition(report *Report, m *section, key string) (text string, ok bool) {
	e, ok := m.find(key)
	r.lines[key] = e.line
	switch {
	case ok && e.val.isText():
		return e.val.text, true
	case ok:
		r.refuse(report, e.line, m.key(key), "is not a text, with which docker_auth does not start")
	case e.val != nil:
		r.refuse(report, e.line, m.key(key), `has no value, which docker_auth takes for no condition at all, so the rule is for everybody and everything else in it; write "" for the anonymous, or delete the key`)
	}
	return "", false
}

func (r *rule) readLabels(report *Report, m *section) map[string]string {
	found := make(map[string]string)
	s, ok := m.child("labels")
	if !ok {
		return found
	}
	if s.foreign {
		r.refuse(report, s.line, s.path, "there are no labels")
	}
	for _, e := range s.entries {
		if s.used[e.key] {
			continue
		}
		if text, ok := r.condition(report, s, e.key); ok {
			found[e.key] = text
		}
		r.lines[problem.Key("labels", e.key)] = e.line
	}
	return found
}

// readUnknown: docker_auth ignores a condition that it does not know, so that
// the rule is for everybody whom the others let through.
func (r *rule) readUnknown(report *Report, m *section) {
	for _, e := range m.unknown() {
		if e.key == "team" && e.val.isText() && !e.val.null {
			report.add(e.line, Dangerous, m.key(e.key), "docker_auth knows no such condition, so there the rule is for every team; here it is labels: {teams: …}, as was probably meant")
			setLabel(r.Match, "teams", translate(e.val.text, nil, false).text)
			continue
		}
		r.refuse(report, e.line, m.key(e.key), "docker_auth knows no such condition, so there the rule is for whomever the others let through, or for everybody")
	}
}

func (r *rule) translate(report *Report, key string, t translation) string {
	r.parts[key] = t
	path, line := problem.Join(problem.Join(r.path, "match"), key), r.lines[key]
	switch {
	case t.never():
		r.lost = fmt.Sprintf("the glob for %s is malformed", key)
	case t.empty():
		r.refuse(report, line, path, "nothing is left of the regex if what the variables stand for is empty")
	}
	for _, u := range t.unknown {
		report.add(line, Dangerous, path, "%s stands for itself, here as there: it is no variable that docker_auth knows in this place", u)
	}
	return t.text
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
