package acl

import (
	"strings"
	"testing"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/oci"
)

var matchTests = []struct {
	name   string
	match  Match
	labels authn.Labels
	yes    []string // "account repository"; a leading space is the anonymous
	no     []string
}{{
	name: "nothing absent holds",
	yes:  []string{"alice team/app", " team/app"},
}, {
	name:  "literal account",
	match: Match{Account: ptr("alice")},
	yes:   []string{"alice a"},
	no:    []string{"alice2 a", "Alice a", " a"},
}, {
	name:  "empty account is the anonymous only",
	match: Match{Account: ptr("")},
	yes:   []string{" a"},
	no:    []string{"alice a"},
}, {
	name:  "whoever logged in",
	match: Match{Account: ptr("/.+/")},
	yes:   []string{"alice a", "x a"},
	no:    []string{" a"},
}, {
	name:  "star does not cross slashes",
	match: Match{Name: ptr("foo/*")},
	yes:   []string{"x foo/a", "x foo/"},
	no:    []string{"x foo/a/b", "x foo", "x bar/foo/a"},
}, {
	name:  "glob is for the whole text",
	match: Match{Name: ptr("t-*")},
	yes:   []string{"x t-a", "x t-"},
	no:    []string{"x t-a/b", "x xt-a"},
}, {
	name:  "question mark, class and escape",
	match: Match{Name: ptr(`a?[c-e]\*`)},
	yes:   []string{"x abd*", "x aéc*"},
	no:    []string{"x a/c*", "x abf*", "x abdx"},
}, {
	name:  "regex is looked for anywhere",
	match: Match{Name: ptr("/bar/")},
	yes:   []string{"x xbarx/y", "x bar"},
	no:    []string{"x ba/r"},
}, {
	name:  "anchored alternatives",
	match: Match{Account: ptr("/^(alice|albert|bob)$/")},
	yes:   []string{"alice a", "albert a", "bob a"},
	no:    []string{"alic a", "bobby a", "abob a"},
}, {
	name:  "two slashes are a glob",
	match: Match{Name: ptr("//")},
	yes:   []string{"x //"},
	no:    []string{"x a", "x "},
}, {
	name:  "all conditions must hold",
	match: Match{Account: ptr("alice"), Name: ptr("team/*")},
	yes:   []string{"alice team/app"},
	no:    []string{"bob team/app", "alice other/app"},
}, {
	name:  "account in a name",
	match: Match{Name: ptr("${account}/*")},
	yes:   []string{"alice alice/app", "a*b a*b/app", "[a [a/app", " /app"},
	no:    []string{"alice bob/app", "* bob/app", "a*b axb/app", "alice alice/a/b"},
}, {
	name:  "account in a regex",
	match: Match{Name: ptr(`/^${account}\/.+$/`)},
	yes:   []string{"alice alice/app/x", ".* .*/app"},
	no:    []string{".* bob/app", "a|b b/app", "alice xalice/app"},
}, {
	name:  "service and type in a name",
	match: Match{Name: ptr("${service}/${type}/*")},
	yes:   []string{"x registry/repository/a"},
	no:    []string{"x registry/registry/a"},
}, {
	name:  "the account is what the name says",
	match: Match{Account: ptr("ci-${name}")},
	yes:   []string{"ci-app app"},
	no:    []string{"ci-* app", "ci-app ap"},
}, {
	name:  "captured text is literal in globs",
	match: Match{Account: ptr(`/^(.+)@test\.com$/`), Name: ptr("${account:1}/*")},
	yes:   []string{"alice@test.com alice/x", "*@test.com */x"},
	no:    []string{"*@test.com victim/x", "alice@test.com bob/x", "alice@other.com alice/x"},
}, {
	name:  "captured text is literal in regexes",
	match: Match{Account: ptr(`/^(.+)@test\.com$/`), Name: ptr(`/^${account:1}\//`)},
	yes:   []string{"alice@test.com alice/x", ".*@test.com .*/x"},
	no:    []string{".*@test.com victim/x"},
}, {
	name:  "second group, and one that took no part",
	match: Match{Account: ptr(`/^(a)?(b)$/`), Name: ptr("${account:1}-${account:2}")},
	yes:   []string{"ab a-b", "b -b"},
	no:    []string{"ab -b"},
}, {
	name:   "any value of a label",
	match:  Match{Name: ptr("${labels:group}/*")},
	labels: authn.Labels{"group": literal("web", "api")},
	yes:    []string{"x web/a", "x api/a"},
	no:     []string{"x db/a", "x /a", "x ${labels:group}/a"},
}, {
	name:  "a label that nobody gave",
	match: Match{Name: ptr("${labels:group}*")},
	no:    []string{"x web", "x ", "x ${labels:group}"},
}, {
	name:   "all combinations of labels",
	match:  Match{Name: ptr("${labels:project}/${labels:group}-${labels:tier}")},
	labels: authn.Labels{"project": literal("site", "api"), "group": literal("web", "dev"), "tier": literal("front", "back")},
	yes:    []string{"x site/web-front", "x api/dev-back"},
	no:     []string{"x site/site-front", "x site/web-web"},
}, {
	name:   "a label has one value at a time",
	match:  Match{Name: ptr("${labels:g}/${labels:g}")},
	labels: authn.Labels{"g": literal("a", "b")},
	yes:    []string{"x a/a", "x b/b"},
	no:     []string{"x a/b"},
}, {
	name:   "a label has one value at a time in a regex",
	match:  Match{Name: ptr("/^(?:${labels:g})+$/")},
	labels: authn.Labels{"g": literal("a", "b")},
	yes:    []string{"x aaa", "x b"},
	no:     []string{"x ab"},
}, {
	name:   "each field has its own value of a label",
	match:  Match{Account: ptr("${labels:g}"), Name: ptr("${labels:g}")},
	labels: authn.Labels{"g": literal("a", "b")},
	yes:    []string{"a b", "b b"},
	no:     []string{"c b"},
}, {
	name:   "the operator's label is a glob",
	match:  Match{Name: ptr("${labels:full-access}")},
	labels: authn.Labels{"full-access": patterns("test/*", "[broken")},
	yes:    []string{"x test/a", "x [broken"},
	no:     []string{"x test/a/b", "x b"},
}, {
	name:   "a directory's label is literal",
	match:  Match{Name: ptr("${labels:full-access}")},
	labels: authn.Labels{"full-access": literal("test/*", "*")},
	yes:    []string{"x test/*"},
	no:     []string{"x test/a", "x test"},
}, {
	name:   "any label is literal in a regex",
	match:  Match{Name: ptr(`/^${labels:g}$/`)},
	labels: authn.Labels{"g": patterns(".*", "a+")},
	yes:    []string{"x .*", "x a+"},
	no:     []string{"x b", "x aa"},
}, {
	name:  "beside a label without values",
	match: Match{Name: ptr(`/^(?:public|${labels:g})\//`)},
	yes:   []string{"x public/a"},
	no:    []string{"x g/a", "x /a"},
}, {
	name:   "letter case of a label in a regex",
	match:  Match{Name: ptr(`/(?i)^${labels:g}$/`)},
	labels: authn.Labels{"g": literal("Team", "\u212Aey")},
	yes:    []string{"x team", "x TEAM", "x key", "x \u212AEY"},
	no:     []string{"x tea"},
}, {
	name:   "label condition",
	match:  Match{Labels: map[string]string{"group": "web-*", "tier": "/^(front|back)$/"}},
	labels: authn.Labels{"group": literal("ops", "web-1"), "tier": literal("back")},
	yes:    []string{"x a"},
}, {
	name:   "label condition of which one fails",
	match:  Match{Labels: map[string]string{"group": "web-*", "tier": "front"}},
	labels: authn.Labels{"group": literal("web-1"), "tier": literal("back")},
	no:     []string{"x a"},
}, {
	name:   "variables in a label condition",
	match:  Match{Account: ptr("/^(.+)-bot$/"), Labels: map[string]string{"owner": "${account:1}", "of": "${name}"}},
	labels: authn.Labels{"owner": literal("alice"), "of": literal("app")},
	yes:    []string{"alice-bot app"},
	no:     []string{"bob-bot app", "alice-bot ap"},
}, {
	name:   "each place of a label has the same value",
	match:  Match{Name: ptr("*-${labels:g}/${labels:g}")},
	labels: authn.Labels{"g": literal("a", "b")},
	yes:    []string{"x a-b/b", "x b-a/a"},
	no:     []string{"x b-a/b", "x a-b/a"},
}, {
	name:   "each place of a label has the same value in a regex",
	match:  Match{Name: ptr(`/^${labels:g}\/${labels:g}$/`)},
	labels: authn.Labels{"g": literal("a", "b")},
	yes:    []string{"x a/a", "x b/b"},
	no:     []string{"x a/b", "x b/a"},
}, {
	name:  "letter case of an account in a regex",
	match: Match{Name: ptr(`/(?i)^${account}$/`)},
	yes:   []string{"Team team", "team TEAM"},
	no:    []string{"Team tea"},
}, {
	name:  "backslash before a variable",
	match: Match{Name: ptr(`\\${account}`)},
	yes:   []string{`alice \alice`},
	no:    []string{"alice alice"},
}}

func TestMatch(t *testing.T) {
	for _, tt := range matchTests {
		t.Run(tt.name, func(t *testing.T) {
			l := mustCompile(t, Config{{Match: &tt.match, Actions: []string{"*"}}})
			check := func(who string, want oci.Actions) {
				account, repo, _ := strings.Cut(who, " ")
				if got := l.allow(asking(account, repo, tt.labels)).Actions; got != want {
					t.Errorf("allow(%q for %q) = %q, want %q", account, repo, got, want)
				}
			}
			for _, who := range tt.yes {
				check(who, oci.All)
			}
			for _, who := range tt.no {
				check(who, 0)
			}
		})
	}
}
