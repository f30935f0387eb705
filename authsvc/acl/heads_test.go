package acl

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

var headsTests = []struct {
	pattern string
	want    []string
	whole   bool
}{
	{"team/app", []string{"team/app"}, true},
	{"", []string{""}, true},
	{`te\*m`, []string{"te*m"}, true},
	{"team/*", []string{"team/"}, false},
	{"*/app", nil, false},
	{"[a]b", nil, false},
	{"team/${account}", []string{"team/"}, false},
	{"${account}/a", nil, false},
	{"/^team$/", []string{"team"}, true},
	{"/^team/", []string{"team"}, false},
	{"/team$/", nil, false},
	{"/^/", nil, false},
	{"/^$/", []string{""}, true},
	{`/^(alice|albert|bob)$/`, []string{"alice", "albert", "bob"}, true},
	{`/^(team|x)-[ab]\/.*$/`, []string{"team-a/", "team-b/", "x-a/", "x-b/"}, false},
	{"/^colou?r/", []string{"color", "colour"}, false},
	{"/^a|b/", nil, false},
	{"/^a|^b/", []string{"a", "b"}, false},
	{"/(?i)^team/", nil, false},
	{"/(?m)^team/", nil, false},
	{"/^[a-z]/", []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", "u", "v", "w", "x", "y", "z"}, false},
	{"/^[^a]/", nil, false},
	{"/^(a|.*)b$/", nil, false},
	{"/^\uFFFD/", nil, false},
	{"/^team-${account}$/", []string{"team-"}, false},
	{"/^${account}$/", nil, false},
}

func TestHeads(t *testing.T) {
	for _, tt := range headsTests {
		p, err := compilePattern(tt.pattern)
		if err != nil {
			t.Fatalf("compilePattern(%q): %v", tt.pattern, err)
		}
		got := slices.Sorted(slices.Values(p.heads.texts))
		want := slices.Sorted(slices.Values(tt.want))
		if !slices.Equal(got, want) || p.heads.whole != tt.whole {
			t.Errorf("heads of %q = %q whole %v, want %q whole %v", tt.pattern, got, p.heads.whole, want, tt.whole)
		}
	}
}

// What a pattern matches begins with one of its heads.
func checkHeads(t *testing.T, pattern, s string) (matched bool) {
	t.Helper()
	p, err := compilePattern(pattern)
	if err != nil || p.hasVariables() || p.match(s, nil, nil) != yes || p.heads.texts == nil {
		return false
	}
	ok := slices.ContainsFunc(p.heads.texts, func(h string) bool {
		return s == h || !p.heads.whole && strings.HasPrefix(s, h)
	})
	if !ok {
		t.Fatalf("%q matches %q, but its heads are %q, whole %v", pattern, s, p.heads.texts, p.heads.whole)
	}
	return true
}

func TestHeadsOfWhatMatches(t *testing.T) {
	t.Parallel()
	r := random{rand.New(rand.NewPCG(5, 6))}
	matched := 0
	for range 50_000 {
		if checkHeads(t, *r.pattern("(a|b)", "[^b]", "(?:ab|a)?", "$", "^", "(a$)?", `\b`, "a{2}"), r.word()+r.one("", "", "/", r.word())) {
			matched++
		}
	}
	if matched < 500 {
		t.Errorf("only %d of the texts match", matched)
	}
}

func FuzzHeads(f *testing.F) {
	f.Add(`/^(a|bc)\/[xy]?$/`, "bc/x")
	f.Add("/^\uFFFD?a/", "\xffa")
	f.Add("/^(?i:k)elvin/", "\u212Aelvin")
	f.Add("/^a$|^b/", "bc")
	f.Fuzz(func(t *testing.T, pattern, s string) { checkHeads(t, pattern, s) })
}
