package proxy

import (
	"math/rand/v2"
	"strings"
	"testing"
)

var patternTests = []struct{ pattern, match, no string }{
	{"", "a a/b a/b/c", ""},
	{"**", "a a/b a/b/c", ""},
	{"*", "a team-x", "a/b"},
	{"team/*", "team/a team/a-b", "team team/a/b team-x/y ateam/a"},
	{"team/**", "team/a team/a/b", "team teams/a"},
	{"**/app", "a/app a/b/app", "app a/apps"},
	{"a/**/z", "a/b/z a/b/c/z", "a/z a/bz"},
	{"team-*/app", "team-x/app team-/app", "team/app team-x/y/app"},
	{"*a*b*", "ab xaxbx aab abab", "a b ba"},
	{"a.b", "a.b", "axb"},
	{"*/*", "a/b", "a a/b/c"},
}

func TestPattern(t *testing.T) {
	for _, tt := range patternTests {
		p, err := compile(tt.pattern)
		if err != nil {
			t.Fatalf("compile(%q): %v", tt.pattern, err)
		}
		for _, name := range strings.Fields(tt.match) {
			if !p.match(name) {
				t.Errorf("%q does not match %q", tt.pattern, name)
			}
		}
		for _, name := range strings.Fields(tt.no) {
			if p.match(name) {
				t.Errorf("%q matches %q", tt.pattern, name)
			}
		}
	}
}

// universe is every name of up to three components of these.
func universe(components ...string) []string {
	names, last := []string{}, []string{""}
	for range 3 {
		var next []string
		for _, head := range last {
			for _, c := range components {
				next = append(next, strings.TrimPrefix(head+"/"+c, "/"))
			}
		}
		names, last = append(names, next...), next
	}
	return names
}

var smallWorld = universe("a", "b", "aa", "ab", "ba", "bb")

// somePattern is one that has much to do with the small world.
func somePattern(r *rand.Rand) pattern {
	parts := []string{"a", "b", "aa", "ab", "a*", "*b", "*a*", "*", "**", "**"}
	p := make(pattern, 1+r.IntN(3))
	for i := range p {
		p[i] = parts[r.IntN(len(parts))]
	}
	return p
}

// TestMeetAndWithin compares what is said of two patterns with what they match.
func TestMeetAndWithin(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	met, missed, held := 0, 0, 0
	for range 3000 {
		p, q := somePattern(r), somePattern(r)
		common, all := 0, true
		for _, name := range smallWorld {
			if p.match(name) && q.match(name) {
				common++
			}
			all = all && (!p.match(name) || q.match(name))
		}
		both, ok := p.meet(q)
		if ok != (common > 0) && !wide(p, q) {
			t.Fatalf("%s meets %s: %v %s, but they have %d names in common", p, q, ok, both, common)
		}
		if p.within(q) {
			held++
		}
		switch {
		case p.within(q) && !all:
			t.Fatalf("%s is not within %s", p, q)
		case !p.within(q) && all && !wide(p, q):
			missed++
		}
		if ok {
			met++
		}
	}
	if met < 500 || held < 100 || missed > held {
		t.Errorf("met %d, within %d, missed %d: the patterns are not worth much", met, held, missed)
	}
}

// wide reports whether patterns are for names longer than those of the small
// world, whose components have two letters.
func wide(p, q pattern) bool {
	return len(p)+len(q) > 4 || strings.Count(p.String()+q.String(), "*") > 3
}
