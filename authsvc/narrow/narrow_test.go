package narrow

import (
	"fmt"
	"math/rand/v2"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/oci"
)

var matchTests = []struct {
	pattern, name string
	want          bool
}{
	{"team/app", "team/app", true},
	{"team/app", "team/apps", false},
	{"team/*", "team/app", true},
	{"team/*", "team/app/x", false},
	{"team/*", "team", false},
	{"*", "app", true},
	{"*", "team/app", false},
	{"team-?", "team-1", true},
	{"team-[0-4]/*", "team-3/app", true},
	{"team-[0-4]/*", "team-7/app", false},
	{"**", "app", true},
	{"**", "a/b/c/d", true},
	{"team/**", "team/app", true},
	{"team/**", "team/a/b/c", true},
	{"team/**", "team", false},
	{"team/**", "steam/app", false},
	{"**/cache", "a/b/cache", true},
	{"**/cache", "cache", false},
	{"a/**/z", "a/z", false},
	{"a/**/z", "a/z/z", true},
	{"a/**/z", "a/b/z/c/z", true},
	{"a/**/z", "a/b/z/c", false},
	{"**/x/**", "a/x/x/b", true},
	{"**/**", "a", false},
	{"**/**", "a/b", true},
	{"**/a*/b", "q/ab/b/ac/b", true},
	{"[", "[", false},
	{"[/**", "[/a", false},
}

func TestMatch(t *testing.T) {
	for _, tt := range matchTests {
		if got := newPattern(tt.pattern).match(tt.name); got != tt.want {
			t.Errorf("%q matches %q: %v, want %v", tt.pattern, tt.name, got, tt.want)
		}
	}
}

// TestDeepIsARegex compares ** with what it says: one component or more.
func TestDeepIsARegex(t *testing.T) {
	parts := []string{"a", "b", "*", "a*", "**"}
	pick := func(from []string, n int) string {
		var all []string
		for range 1 + rand.IntN(n) {
			all = append(all, from[rand.IntN(len(from))])
		}
		return strings.Join(all, "/")
	}
	words := strings.NewReplacer("**", `.+`, "*", `[^/]*`)
	matched := 0
	for range 50_000 {
		text, name := pick(parts, 5), pick([]string{"a", "b", "ab"}, 6)
		want := regexp.MustCompile(`^` + words.Replace(text) + `$`).MatchString(name)
		if got := newPattern(text).match(name); got != want {
			t.Fatalf("%q matches %q: %v, want %v", text, name, got, want)
		}
		if want {
			matched++
		}
	}
	if matched < 1000 {
		t.Errorf("only %d of the names matched: the test says little", matched)
	}
}

// TestGlobsAreThoseOfRules: without **, a pattern is what path.Match takes.
func TestGlobsAreThoseOfRules(t *testing.T) {
	for _, text := range []string{"a*b*/c?", "[a-c]*/x", `\a/*`, "***"} {
		for _, name := range []string{"ab/cd", "axbx/cd", "a/x", "d/x", "abc", "b/x"} {
			want, _ := path.Match(text, name)
			if got := newPattern(text).match(name); got != want {
				t.Errorf("%q matches %q: %v, want %v", text, name, got, want)
			}
		}
	}
}

func repository(name string, a oci.Actions) oci.Access {
	return oci.Access{Type: oci.Repository, Name: name, Actions: a}
}

func TestCut(t *testing.T) {
	pulls, pushes := authn.Bound{Repository: "team/**", Actions: []string{"pull"}}, authn.Bound{Repository: "team/app", Actions: []string{"push"}}
	for _, tt := range []struct {
		name   string
		bounds []authn.Bound
		want   oci.Access
		cut    oci.Actions
	}{
		{"none", nil, repository("x", oci.All), oci.All},
		{"none, catalog", nil, oci.CatalogAccess(), oci.Any},
		{"outside", []authn.Bound{pulls}, repository("x", oci.All), 0},
		{"one", []authn.Bound{pulls}, repository("team/x", oci.All), oci.Pull},
		{"both", []authn.Bound{pulls, pushes}, repository("team/app", oci.All), oci.Pull | oci.Push},
		{"no more than granted", []authn.Bound{pulls, pushes}, repository("team/app", oci.Push), oci.Push},
		{"catalog", []authn.Bound{pushes, pulls}, oci.CatalogAccess(), oci.Any},
		{"catalog without pull", []authn.Bound{pushes}, oci.CatalogAccess(), 0},
		{"another resource", []authn.Bound{pulls}, oci.Access{Type: oci.Registry, Name: "team/x", Actions: oci.Any}, 0},
		{"unknown action", []authn.Bound{{Repository: "**", Actions: []string{"*", "admin"}}}, repository("team/x", oci.All), 0},
		{"no action", []authn.Bound{{Repository: "**"}}, repository("team/x", oci.All), 0},
		{"no pattern", []authn.Bound{{Actions: []string{"pull"}}}, repository("team/x", oci.All), 0},
		{"broken pattern", []authn.Bound{{Repository: "team/[", Actions: []string{"pull"}}}, repository("team/[", oci.All), 0},
	} {
		if got := New(tt.bounds).Cut(tt.want); got != tt.cut {
			t.Errorf("%s: Cut(%v) = %v, want %v", tt.name, tt.want, got, tt.cut)
		}
	}
}

func TestCheck(t *testing.T) {
	good := []authn.Bound{{Repository: "team/**", Actions: []string{"pull", "push", "delete"}}, {Repository: `a_b.c-[0-9]/?\*x`, Actions: []string{"pull"}}}
	if err := Check(good); err != nil {
		t.Errorf("Check() = %v", err)
	}
	if err := Check(nil); err != nil {
		t.Errorf("Check(nil) = %v", err)
	}
	for _, tt := range []struct{ repository, action, want string }{
		{"", "pull", "[0].repository: a repository is missing"},
		{"Team/App", "pull", `repository "Team/App" can match nothing: names have small letters`},
		{"${account}/*", "pull", "can match nothing"},
		{"team app", "pull", "can match nothing"},
		{"/team", "pull", "begins or ends with a slash"},
		{"team/", "pull", "begins or ends with a slash"},
		{"team//app", "pull", "begins or ends with a slash"},
		{"team/[a-", "pull", `"[a-" is no pattern`},
		{"[a/b]", "pull", "is no pattern"},
		{`team\`, "pull", "is no pattern"},
		{"team**", "pull", "** must stand between slashes, alone"},
		{strings.Repeat("a", 256), "pull", "is longer than the name of any repository"},
		{"**", "admin", `[0].actions: action "admin" is unknown; there are pull, push and delete`},
		{"**", "*", "unknown"},
		{"**", "Pull", "unknown"},
	} {
		err := Check([]authn.Bound{{Repository: tt.repository, Actions: []string{tt.action}}})
		if err == nil || !strings.Contains(fmt.Sprint(err), tt.want) {
			t.Errorf("Check(%q, %q) = %v, want %s", tt.repository, tt.action, err, tt.want)
		}
	}
	if err := Check([]authn.Bound{{Repository: "**"}}); err == nil || !strings.Contains(err.Error(), "an action is missing") {
		t.Errorf("Check() without actions = %v", err)
	}
	if err := Check(make([]authn.Bound, Most+1)); err == nil || !strings.Contains(err.Error(), "33 bounds") {
		t.Errorf("Check() of too many = %v", err)
	}
}

// FuzzMatch: whatever stands in the state, nothing panics, and what Check takes
// has no component that cannot be read.
func FuzzMatch(f *testing.F) {
	for _, tt := range matchTests {
		f.Add(tt.pattern, tt.name)
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		got := newPattern(text).match(name)
		if CheckRepository(text) != nil {
			return
		}
		for _, part := range strings.Split(text, "/") {
			if _, err := path.Match(part, "x"); err != nil {
				t.Errorf("Check takes %q: %v", text, err)
			}
		}
		if got && strings.Count(name, "/") < strings.Count(text, "/") {
			t.Errorf("%q, which has fewer components, matches %q", name, text)
		}
	})
}
