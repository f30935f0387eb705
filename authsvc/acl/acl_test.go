package acl

import (
	"net/netip"
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
			if got := l.allow(a).Actions; got != want {
				t.Errorf("ip %s: allow(from %q) = %q, want %q", tt.ip, from, got, want)
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
			if got := l.allow(a); got != want {
				t.Errorf("allow(%v) = %v, want %v", a.Want, got, want)
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
		if got := l.allow(asking(account, repo, nil)).Actions; got != want {
			t.Errorf("allow(%s) = %q, want %q", who, got, want)
		}
	}
	if got := new(List).allow(asking("admin", "a", nil)).Actions; got != 0 {
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
		{Match: &Match{Name: ptr("*${labels:x}*${labels:y}*${labels:z}*!"), Service: ptr("${name}")}, Actions: []string{"*"}},
		{Match: &Match{Account: ptr("bob"), Name: ptr("*${labels:x}*${labels:y}*${labels:z}*!")}, Actions: []string{"*"}},
		{Match: &Match{}, Actions: []string{"*"}},
	})
	repo := strings.Repeat("a", 60)
	if got := l.allow(asking("bob", repo, labels)).Actions; got != 0 {
		t.Errorf("undecided rule: granted %q, want nothing", got)
	}
	if e := l.Explain(asking("bob", repo, labels)); !e.Undecided || e.Rule != 1 {
		t.Errorf("Explain() = %+v, want rule 1, undecided", e)
	}
	if got := l.allow(asking("alice", repo, labels)).Actions; got != oci.All {
		t.Errorf("another condition settles it: granted %q, want all", got)
	}
	if got := l.allow(asking("bob", "bbb", labels)).Actions; got != oci.All {
		t.Errorf("values that do not occur were counted: granted %q, want all", got)
	}
}

var boundTests = []struct {
	name    string
	pattern string
	values  int // of each label, every one of which occurs in the name
	decided bool
}{
	{"glob, as many as are tried", "*${labels:x}*${labels:y}*${labels:z}*!", 10, true},
	{"glob, more", "*${labels:x}*${labels:y}*${labels:z}*!", 11, false},
	{"regex, as many as are tried", "/^.*(?:${labels:x})+(?:${labels:y})+!$/", 8, true},
	{"regex, more", "/^.*(?:${labels:x})+(?:${labels:y})+!$/", 9, false},
	{"regex of which one takes all values at once", "/^.*${labels:x}${labels:y}!$/", 50, true},
}

// TestCombinationsAreBounded: no name that an account chooses has the gate try
// all that its labels multiply to, and none gets it past a refusal by that.
func TestCombinationsAreBounded(t *testing.T) {
	for _, tt := range boundTests {
		t.Run(tt.name, func(t *testing.T) {
			var values []string
			for i := range tt.values {
				values = append(values, strings.Repeat("a", i+1))
			}
			a := asking("bob", strings.Repeat("a", 60), authn.Labels{"x": literal(values...), "y": literal(values...), "z": literal(values...)})
			for _, actions := range [][]string{{}, {"*"}} {
				l := mustCompile(t, Config{{Match: &Match{Name: &tt.pattern}, Actions: actions}, {Match: &Match{}, Actions: []string{"*"}}})
				want := oci.Actions(0)
				if tt.decided { // the rule does not match, and the next one grants
					want = oci.All
				}
				if got := l.allow(a).Actions; got != want {
					t.Errorf("rule with actions %v: granted %q, want %q", actions, got, want)
				}
			}
		})
	}
}
