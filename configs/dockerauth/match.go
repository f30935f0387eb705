package dockerauth

import (
	"fmt"
	"maps"
	"slices"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/internal/problem"
)

// readMatch reads the conditions. One that cannot be read closes the rule: it
// would be for more people without it.
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
	live := captures(patterns)
	for _, field := range fields {
		if text, ok := patterns[field]; ok {
			r.setField(field, r.translate(report, field, translate(text, live, true)))
		}
	}
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		setLabel(r.Match, label, r.translate(report, problem.Key("labels", label), translate(labels[label], live, false)))
	}
	r.readUnknown(report, m)
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
		return e.val.text, r.short(report, e.line, m.key(key), e.val.text)
	case ok:
		r.refuse(report, e.line, m.key(key), "is not a text, with which docker_auth does not start")
	case e.val != nil:
		r.refuse(report, e.line, m.key(key), `has no value, which docker_auth takes for no condition at all, so the rule is for everybody and everything else in it; write "" for the anonymous, or delete the key`)
	}
	return "", false
}

// maxPattern bounds a pattern, in bytes. There are none like that, but for those
// that are to keep somebody busy.
const maxPattern = 16 << 10

func (r *rule) short(report *Report, line int, path, pattern string) bool {
	if len(pattern) <= maxPattern {
		return true
	}
	r.refuse(report, line, path, "is longer than %d KiB", maxPattern>>10)
	return false
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
	for _, e := range s.each() {
		r.lines[problem.Key("labels", e.key)] = e.line
		switch {
		case e.val.null: // in a map of texts it is ""
			found[e.key] = ""
		case e.val.isText() && r.short(report, e.line, s.key(e.key), e.val.text):
			found[e.key] = e.val.text
		case e.val.isText():
		default:
			r.refuse(report, e.line, s.key(e.key), "is not a text, with which docker_auth does not start")
		}
	}
	return found
}

// readUnknown: docker_auth ignores a condition that it does not know, so that
// the rule is for everybody whom the others let through.
func (r *rule) readUnknown(report *Report, m *section) {
	for _, e := range m.unknown() {
		_, taken := r.Match.Labels["teams"]
		if e.key == "team" && e.val.isText() && !e.val.null && !taken {
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
