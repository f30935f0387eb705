package acl

import (
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	"github.com/regate/regate/authsvc/authn"
)

// How many combinations of label values are tried before a condition is
// undecided. Values that do not occur in the text at all are not counted, and
// in a regex only those of labels that occur twice or are repeated.
const (
	maxGlobTries  = 1_024
	maxRegexTries = 64
)

// A template is a pattern with variables. It is neither compiled nor expanded
// before everything cheaper has failed to settle the matter.
type template struct {
	parts  []part
	globs  []glob // the parts that are text; nil in a regex
	labels []labelUse
	folded []bool // by part, of a regex
	lead   int    // the part that a regex begins with after "^"; -1 for none
}

// A labelUse is a label and the parts that it stands in.
type labelUse struct {
	name   string
	places []int
	// joined says that all values can be tried at once, as alternatives.
	joined bool
}

// An option is what may stand for a variable: text, or a glob if the operator
// wrote one as the value of a label.
type option struct {
	text string
	glob glob
}

func newTemplate(parts []part) template {
	t := template{parts: parts, lead: -1}
	uses := make(map[string]int)
	for i, p := range parts {
		if p.kind != labelValue {
			continue
		}
		u, seen := uses[p.text]
		if !seen {
			u, uses[p.text] = len(t.labels), len(t.labels)
			t.labels = append(t.labels, labelUse{name: p.text})
		}
		t.labels[u].places = append(t.labels[u].places, i)
	}
	return t
}

func newRegexTemplate(parts []part, tree *syntax.Regexp, places map[int]place) template {
	t := newTemplate(parts)
	t.lead = leadingVariable(tree)
	t.folded = make([]bool, len(parts))
	for i, p := range places {
		t.folded[i] = p.folded
	}
	for i := range t.labels {
		u := &t.labels[i]
		u.joined = len(u.places) == 1 && !places[u.places[0]].repeated
	}
	return t
}

// match reports whether s matches with any combination of the labels' values,
// each label having one value in all of its places.
func (t *template) match(s string, q *query, r *rule) verdict {
	var space [8][]option
	bound := append(space[:0], make([][]option, len(t.parts))...)
	if !t.bindFields(bound, s, q, r) || !t.bindLabels(bound, s, q) {
		return no
	}
	tries, most := 1, t.maxTries()
	for i := range t.labels {
		if u := &t.labels[i]; !u.joined {
			if tries *= max(1, len(bound[u.places[0]])); tries > most {
				return undecided
			}
		}
	}
	return t.search(s, bound, t.labels)
}

// maxTries bounds the combinations of values that are tried.
func (t *template) maxTries() int {
	if t.globs == nil {
		return maxRegexTries
	}
	return maxGlobTries
}

// multiplied returns the labels whose values are tried one by one, each with
// each of the others.
func (t *template) multiplied() []string {
	var names []string
	for _, u := range t.labels {
		if !u.joined {
			names = append(names, u.name)
		}
	}
	return names
}

// bindFields finds the values of all variables but labels. It returns false if
// s cannot match whatever the labels are.
func (t *template) bindFields(bound [][]option, s string, q *query, r *rule) bool {
	for i, p := range t.parts {
		var value string
		switch p.kind {
		case fieldValue:
			value = q.fields[p.field]
		case capture:
			var ok bool
			if value, ok = r.capture(q, p.field, p.group); !ok {
				return false
			}
		default:
			continue
		}
		if t.globs != nil && !strings.Contains(s, value) {
			return false
		}
		if i == t.lead && !t.folded[i] && !strings.HasPrefix(s, value) {
			return false
		}
		bound[i] = []option{{text: value}}
	}
	return true
}

// bindLabels finds the values of labels that s may match with.
func (t *template) bindLabels(bound [][]option, s string, q *query) bool {
	for _, u := range t.labels {
		var options []option
		for _, l := range q.labels[u.name] {
			if o := t.option(l); t.possible(o, u, s) {
				options = append(options, o)
			}
		}
		for _, i := range u.places {
			bound[i] = options
		}
		if len(options) == 0 && (t.globs != nil || u.places[0] == t.lead) {
			return false
		}
	}
	return true
}

// option is the value of a label as it stands in the pattern. A value that is
// no glob is text, so that it can neither spoil nor open a rule.
func (t *template) option(l authn.Label) option {
	if t.globs != nil && l.Pattern && strings.ContainsAny(l.Value, `*?[\`) {
		if g, err := parseGlob(l.Value); err == nil {
			return option{glob: g}
		}
	}
	return option{text: l.Value}
}

// possible reports whether s may match with o. Text that does not occur in s
// might as well not be there.
func (t *template) possible(o option, u labelUse, s string) bool {
	for _, i := range u.places {
		switch {
		case o.glob != nil:
		case t.folded != nil && t.folded[i]:
			if !mayContainFold(s, o.text) {
				return false
			}
		case i == t.lead && !strings.HasPrefix(s, o.text):
			return false
		case !strings.Contains(s, o.text):
			return false
		}
	}
	return true
}

// mayContainFold reports whether s may contain text in whatever case. It knows
// ASCII only, where case is not subtle.
func mayContainFold(s, text string) bool {
	return !isASCII(s) || !isASCII(text) || strings.Contains(strings.ToLower(s), strings.ToLower(text))
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// search gives each label that is not joined one value after the other.
func (t *template) search(s string, bound [][]option, labels []labelUse) verdict {
	if len(labels) == 0 {
		return t.try(s, bound)
	}
	u := labels[0]
	options := bound[u.places[0]]
	if u.joined || len(options) == 0 {
		return t.search(s, bound, labels[1:])
	}
	for k := range options {
		for _, i := range u.places {
			bound[i] = options[k : k+1]
		}
		if v := t.search(s, bound, labels[1:]); v != no {
			return v
		}
	}
	for _, i := range u.places {
		bound[i] = options
	}
	return no
}
