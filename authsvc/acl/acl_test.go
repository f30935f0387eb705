package acl

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/oci"
)

func addr(s string) netip.Addr {
	a, _ := netip.ParseAddr(s)
	return a
}

func ptr(s string) *string { return &s }

// mustCompile is for rules that are right.
func mustCompile(t testing.TB, c Config) *List {
	t.Helper()
	l, err := Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// asking is an ask of account for all of a repository.
func asking(account, repo string, labels authn.Labels) Ask {
	return Ask{
		Identity: authn.Identity{Account: account, Labels: labels},
		From:     addr("10.1.2.3"),
		Service:  "registry",
		Want:     oci.Access{Type: oci.Repository, Name: repo, Actions: oci.All},
	}
}

func literal(values ...string) []authn.Label {
	var l []authn.Label
	for _, v := range values {
		l = append(l, authn.Label{Value: v})
	}
	return l
}

func patterns(values ...string) []authn.Label {
	l := literal(values...)
	for i := range l {
		l[i].Pattern = true
	}
	return l
}

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
	labels: authn.Labels{"g": literal("Team")},
	yes:    []string{"x team", "x TEAM"},
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
}}

func TestMatch(t *testing.T) {
	for _, tt := range matchTests {
		t.Run(tt.name, func(t *testing.T) {
			l := mustCompile(t, Config{{Match: &tt.match, Actions: []string{"*"}}})
			check := func(who string, want oci.Actions) {
				account, repo, _ := strings.Cut(who, " ")
				if got := l.Allow(asking(account, repo, tt.labels)).Actions; got != want {
					t.Errorf("Allow(%q for %q) = %q, want %q", account, repo, got, want)
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

var ipTests = []struct {
	ip      string
	yes, no []string
}{
	{"127.0.0.1", []string{"127.0.0.1", "::ffff:127.0.0.1"}, []string{"", "127.0.0.2", "::1"}},
	{"127.0.0.0/8", []string{"127.0.0.2", "::ffff:127.9.9.9"}, []string{"", "128.0.0.1", "::"}},
	{"10.1.2.3/8", []string{"10.9.9.9"}, []string{"11.1.2.3"}},
	{"::ffff:10.0.0.0/104", []string{"10.1.1.1", "::ffff:10.1.1.1"}, []string{"11.1.1.1", "::1"}},
	{"::ffff:10.0.0.1", []string{"10.0.0.1"}, []string{"10.0.0.2"}},
	{"0.0.0.0/0", []string{"1.2.3.4", "::ffff:1.2.3.4"}, []string{"", "::1"}},
	{"::/0", []string{"::1", "2001:db8::1"}, []string{"", "1.2.3.4", "::ffff:1.2.3.4"}},
	{"2001:db8::/48", []string{"2001:db8::2"}, []string{"2001:db8:1::2", ""}},
	{"fe80::/10", []string{"fe80::1", "fe80::1%eth0"}, []string{"2001:db8::1"}},
}

func TestAddress(t *testing.T) {
	for _, tt := range ipTests {
		l := mustCompile(t, Config{{Match: &Match{IP: &tt.ip}, Actions: []string{"pull"}}})
		check := func(from string, want oci.Actions) {
			a := asking("x", "a", nil)
			a.From = addr(from)
			if got := l.Allow(a).Actions; got != want {
				t.Errorf("ip %s: Allow(from %q) = %q, want %q", tt.ip, from, got, want)
			}
		}
		for _, from := range tt.yes {
			check(from, oci.Pull)
		}
		for _, from := range tt.no {
			check(from, 0)
		}
	}
}

var grantTests = []struct {
	name    string
	actions []string
	want    oci.Actions
	granted oci.Actions
}{
	{"part of what is asked for", []string{"pull", "delete"}, oci.Pull | oci.Push, oci.Pull},
	{"no more than is asked for", []string{"pull", "push"}, oci.Pull, oci.Pull},
	{"star is what is asked for", []string{"*"}, oci.Pull | oci.Push, oci.Pull | oci.Push},
	{"deny", []string{}, oci.All, 0},
	{"the catalog takes a star", []string{"*"}, oci.Any, oci.Any},
	{"the catalog takes no less", []string{"pull", "push", "delete"}, oci.Any, 0},
	{"nothing asked, nothing granted", []string{"*"}, 0, 0},
}

func TestGrant(t *testing.T) {
	for _, tt := range grantTests {
		t.Run(tt.name, func(t *testing.T) {
			l := mustCompile(t, Config{{Match: &Match{}, Actions: tt.actions}})
			a := asking("x", "a", nil)
			a.Want.Actions = tt.want
			want := a.Want
			want.Actions = tt.granted
			if got := l.Allow(a); got != want {
				t.Errorf("Allow(%v) = %v, want %v", a.Want, got, want)
			}
		})
	}
}

func TestFirstMatchDecides(t *testing.T) {
	l := mustCompile(t, Config{
		{Match: &Match{Name: ptr("/secret/")}, Actions: []string{}},
		{Match: &Match{Account: ptr("admin")}, Actions: []string{"*"}},
		{Match: &Match{Name: ptr("team/*")}, Actions: []string{"pull"}},
		{Match: &Match{Account: ptr("alice"), Name: ptr("team/app")}, Actions: []string{"push"}},
	})
	for who, want := range map[string]oci.Actions{
		"admin top/secret": 0,
		"admin team/app":   oci.All,
		"alice team/app":   oci.Pull,
		"alice other":      0,
	} {
		account, repo, _ := strings.Cut(who, " ")
		if got := l.Allow(asking(account, repo, nil)).Actions; got != want {
			t.Errorf("Allow(%s) = %q, want %q", who, got, want)
		}
	}
	if got := new(List).Allow(asking("admin", "a", nil)).Actions; got != 0 {
		t.Errorf("no rules grant %q", got)
	}
}

// A deny rule that cannot be decided must not be skipped.
func TestTooManyCombinationsGrantNothing(t *testing.T) {
	var values []string
	for i := range 50 {
		values = append(values, strings.Repeat("a", i+1))
	}
	labels := authn.Labels{"x": literal(values...), "y": literal(values...), "z": literal(values...)}
	l := mustCompile(t, Config{
		{Match: &Match{Account: ptr("bob"), Name: ptr("*${labels:x}*${labels:y}*${labels:z}*!")}, Actions: []string{}},
		{Match: &Match{}, Actions: []string{"*"}},
	})
	repo := strings.Repeat("a", 60)
	if got := l.Allow(asking("bob", repo, labels)).Actions; got != 0 {
		t.Errorf("undecided rule: granted %q, want nothing", got)
	}
	if e := l.Explain(asking("bob", repo, labels)); !e.Undecided || e.Rule != 0 {
		t.Errorf("Explain() = %+v, want rule 0, undecided", e)
	}
	if got := l.Allow(asking("alice", repo, labels)).Actions; got != oci.All {
		t.Errorf("another condition settles it: granted %q, want all", got)
	}
	if got := l.Allow(asking("bob", "bbb", labels)).Actions; got != oci.All {
		t.Errorf("values that do not occur were counted: granted %q, want all", got)
	}
}

func TestLabels(t *testing.T) {
	l := mustCompile(t, Config{
		{Match: &Match{Name: ptr("${labels:b}/${labels:a}"), Labels: map[string]string{"c": "x"}}, Actions: []string{}},
		{Match: &Match{Account: ptr("/^${labels:a}$/")}, Actions: []string{}},
	})
	if got, want := l.Labels(), []string{"a", "b", "c"}; !slices.Equal(got, want) {
		t.Errorf("Labels() = %q, want %q", got, want)
	}
}
