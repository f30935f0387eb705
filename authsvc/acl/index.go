package acl

import "slices"

// An index files each rule under texts of one of its conditions: what an
// account, a name or a label must be, or begin with. Of several such
// conditions it takes the one whose texts the fewest other rules share, so that
// 10,000 rules for one robot are told apart by their names. A rule without any
// is in rest, and tried for every question.
//
// All lists are in the order of the rules.
type index struct {
	exact  [numFields]map[string][]int32
	labels map[string]map[string][]int32
	starts [numFields]prefixes
	rest   []int32
	slow   int // in rest
}

// A shelf is where a rule may be filed.
type shelf struct {
	field   field
	label   string
	isLabel bool
	whole   bool
}

// A slot is one text of a shelf.
type slot struct {
	shelf
	text string
}

// indexed are the fields to file rules under. There are too few types and
// services to tell rules apart.
var indexed = [...]field{account, name}

func newIndex(rules []rule) index {
	crowd := make(map[slot]int)
	for i := range rules {
		rules[i].eachShelf(func(s shelf, texts []string) {
			for _, t := range texts {
				crowd[slot{s, t}]++
			}
		})
	}
	var x index
	begins := [numFields]map[string][]int32{account: {}, name: {}}
	for i := range rules {
		x.file(int32(i), &rules[i], crowd, &begins)
	}
	for _, f := range indexed {
		x.starts[f] = newPrefixes(begins[f])
	}
	return x
}

// eachShelf calls f with every shelf that the rule can be filed on.
func (r *rule) eachShelf(f func(shelf, []string)) {
	for i := range r.conditions {
		c := &r.conditions[i]
		h := c.pattern.heads
		if len(h.texts) == 0 || c.isLabel && !h.whole || !c.isLabel && !slices.Contains(indexed[:], c.field) {
			continue
		}
		f(shelf{c.field, c.label, c.isLabel, h.whole}, h.texts)
	}
}

func (x *index) file(i int32, r *rule, crowd map[slot]int, begins *[numFields]map[string][]int32) {
	var best shelf
	var texts []string
	least := 0
	r.eachShelf(func(s shelf, candidates []string) {
		most := 0
		for _, t := range candidates {
			most = max(most, crowd[slot{s, t}])
		}
		if texts == nil || most < least {
			best, texts, least = s, candidates, most
		}
	})
	switch {
	case texts == nil:
		x.rest = append(x.rest, i)
		if r.slow() {
			x.slow++
		}
	case best.isLabel:
		x.labels = put(x.labels, best.label, texts, i)
	case best.whole:
		x.exact[best.field] = add(x.exact[best.field], texts, i)
	default:
		begins[best.field] = add(begins[best.field], texts, i)
	}
}

func put(m map[string]map[string][]int32, label string, texts []string, i int32) map[string]map[string][]int32 {
	if m == nil {
		m = make(map[string]map[string][]int32)
	}
	m[label] = add(m[label], texts, i)
	return m
}

func add(m map[string][]int32, texts []string, i int32) map[string][]int32 {
	if m == nil {
		m = make(map[string][]int32)
	}
	for _, t := range texts {
		if list := m[t]; len(list) == 0 || list[len(list)-1] != i {
			m[t] = append(list, i)
		}
	}
	return m
}

// slow reports whether r takes about a microsecond to try: it has a regex, or
// all values of a label are looked at.
func (r *rule) slow() bool {
	return slices.ContainsFunc(r.conditions, func(c condition) bool {
		return c.pattern.regex || c.isLabel || len(c.pattern.template.labels) > 0
	})
}

// A search looks for the first rule that is not out of the question.
type search struct {
	rules   []rule
	query   *query
	best    int // so far; len(rules) if none
	verdict verdict
}

// try looks through a list up to the best rule so far.
func (s *search) try(list []int32) {
	for _, i := range list {
		if int(i) >= s.best {
			return
		}
		if v := s.rules[i].match(s.query); v != no {
			s.best, s.verdict = int(i), v
			return
		}
	}
}

// search tries every rule that may match before the best one so far. The rest,
// which costs most, comes last.
func (x *index) search(s *search) {
	for _, f := range indexed {
		s.try(x.exact[f][s.query.fields[f]])
	}
	if len(x.labels) > 0 {
		x.searchLabels(s)
	}
	for _, f := range indexed {
		x.starts[f].search(s, s.query.fields[f])
	}
	s.try(x.rest)
}

func (x *index) searchLabels(s *search) {
	for label, values := range s.query.labels {
		byValue := x.labels[label]
		for i := 0; byValue != nil && i < len(values); i++ {
			s.try(byValue[values[i].Value])
		}
	}
}
