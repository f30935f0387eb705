package acl

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/oci"
)

func TestExplain(t *testing.T) {
	l := mustCompile(t, Config{
		{Match: &Match{Account: ptr("admin")}, Actions: []string{"*"}},
		{Match: &Match{IP: ptr("192.0.2.0/24")}, Actions: []string{}},
		{Match: &Match{Labels: map[string]string{"group": "web"}}, Actions: []string{"push"}},
		{Match: &Match{Account: ptr("/.+/"), Name: ptr("${account}/*")}, Actions: []string{"pull", "push"}, Comment: "their own"},
	})
	labels := authn.Labels{"group": literal("ops")}
	e := l.Explain(asking("alice", "alice/app", labels))
	want := Explanation{
		Rule:    3,
		Text:    `{match: {account: "/.+/", name: "${account}/*"}, actions: [pull, push], comment: "their own"}`,
		Granted: oci.Access{Type: oci.Repository, Name: "alice/app", Actions: oci.Pull | oci.Push},
		Missed: []Miss{
			{0, `{match: {account: "admin"}, actions: ["*"]}`, `the account "alice" does not match "admin"`},
			{1, `{match: {ip: "192.0.2.0/24"}, actions: []}`, "the address 10.1.2.3 is not in 192.0.2.0/24"},
			{2, `{match: {labels: {"group": "web"}}, actions: [push]}`, `no value of the label "group" matches "web"`},
		},
	}
	if got := asJSON(t, e); got != asJSON(t, want) {
		t.Errorf("Explain() =\n%s\nwant\n%s", got, asJSON(t, want))
	}
}

func TestExplainWithoutARule(t *testing.T) {
	l := mustCompile(t, Config{{Match: &Match{IP: ptr("192.0.2.1")}, Actions: []string{"*"}}})
	a := asking("alice", "app", nil)
	a.From = addr("")
	e := l.Explain(a)
	if e.Rule != -1 || e.Granted.Actions != 0 || len(e.Missed) != 1 || e.Missed[0].Because != "the address of the client is not known" {
		t.Errorf("Explain() = %+v", e)
	}
}

// TestExplainSaysWhichLabelIsMissing, which is more often than not the cause.
func TestExplainSaysWhichLabelIsMissing(t *testing.T) {
	l := mustCompile(t, Config{{Match: &Match{Name: ptr("${labels:team}/*")}, Actions: []string{"pull"}}})
	for team, want := range map[string]string{
		"":    `the name "web/app" does not match "${labels:team}/*": the account has no label "team"`,
		"ops": `the name "web/app" does not match "${labels:team}/*"`,
	} {
		labels := authn.Labels{}
		if team != "" {
			labels["team"] = literal(team)
		}
		e := l.Explain(asking("alice", "web/app", labels))
		if e.Rule != -1 || len(e.Missed) != 1 || e.Missed[0].Because != want {
			t.Errorf("Explain() = %+v, want %s", e, want)
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var shadowTests = []struct {
	name       string
	one, other Match
	want       bool // one covers other
}{
	{"equal", Match{Account: ptr("a"), Name: ptr("/x/")}, Match{Account: ptr("a"), Name: ptr("/x/")}, true},
	{"absent is wider", Match{Account: ptr("a")}, Match{Account: ptr("a"), Name: ptr("x"), IP: ptr("10.0.0.1")}, true},
	{"everything", Match{}, Match{Labels: map[string]string{"g": "x"}}, true},
	{"present is narrower", Match{Account: ptr("a"), Name: ptr("x")}, Match{Account: ptr("a")}, false},
	{"glob over a literal", Match{Name: ptr("team/*")}, Match{Name: ptr("team/app")}, true},
	{"glob not over a deeper literal", Match{Name: ptr("team/*")}, Match{Name: ptr("team/a/b")}, false},
	{"regex over literals", Match{Account: ptr("/.+/")}, Match{Account: ptr("/^(bob|eve)$/")}, true},
	{"regex not over the anonymous", Match{Account: ptr("/.+/")}, Match{Account: ptr("")}, false},
	{"glob over a narrower glob", Match{Name: ptr("team/*")}, Match{Name: ptr("team/a?[b-c]*")}, true},
	{"glob not over a deeper glob", Match{Name: ptr("team/*")}, Match{Name: ptr("team/*/x")}, false},
	{"glob not over a class with a slash", Match{Name: ptr("team/*")}, Match{Name: ptr("team/[^a]")}, false},
	{"star over a glob", Match{Name: ptr("*")}, Match{Name: ptr("?a")}, true},
	{"any name", Match{Name: ptr("/.*/")}, Match{}, true},
	{"any name without a slash is not any name", Match{Name: ptr("*")}, Match{}, false},
	{"any account is not the anonymous", Match{Account: ptr("/.+/")}, Match{}, false},
	{"any type", Match{Type: ptr("*")}, Match{Type: ptr("repository")}, true},
	{"network", Match{IP: ptr("10.0.0.0/8")}, Match{IP: ptr("10.1.0.0/16")}, true},
	{"wider network", Match{IP: ptr("10.0.0.0/16")}, Match{IP: ptr("10.0.0.0/8")}, false},
	{"network over none", Match{IP: ptr("0.0.0.0/0")}, Match{}, false},
	{"label", Match{Labels: map[string]string{"g": "web-*"}}, Match{Labels: map[string]string{"g": "web-1", "h": "x"}}, true},
	{"another label", Match{Labels: map[string]string{"g": "web"}}, Match{Labels: map[string]string{"h": "web"}}, false},
	{"a label is no account", Match{Account: ptr("web")}, Match{Labels: map[string]string{"": "web"}}, false},
	{"equal variables", Match{Name: ptr("${account}/*")}, Match{Account: ptr("a"), Name: ptr("${account}/*")}, true},
	{"equal captures of another regex", Match{Account: ptr("/(.)/"), Name: ptr("${account:1}")}, Match{Account: ptr("/^(a)$/"), Name: ptr("${account:1}")}, false},
}

func TestShadowed(t *testing.T) {
	for _, tt := range shadowTests {
		t.Run(tt.name, func(t *testing.T) {
			l := mustCompile(t, Config{{Match: &tt.one, Actions: pullOnly}, {Match: &tt.other, Actions: pullOnly}})
			never, _ := l.Shadowed()
			if got := slices.Equal(never, []Shadow{{Rule: 1, By: 0}}); got != tt.want {
				t.Errorf("Shadowed() = %v", never)
			}
		})
	}
	l := mustCompile(t, Config{{Match: &Match{Name: ptr("/${account}/")}, Actions: pullOnly}, {Match: &Match{Name: ptr("${account}")}, Actions: pullOnly}})
	if _, notCompared := l.Shadowed(); !slices.Equal(notCompared, []int{0}) {
		t.Errorf("notCompared = %v, want [0]", notCompared)
	}
}

// A rule that is said never to apply does not decide any ask.
func TestShadowedRulesNeverDecide(t *testing.T) {
	t.Parallel()
	r := random{rand.New(rand.NewPCG(7, 8))}
	shadowed := 0
	for range 3_000 {
		l, err := Compile(r.config())
		if err != nil {
			continue
		}
		never, _ := l.Shadowed()
		for range 20 * min(len(never), 1) {
			a := r.ask()
			for _, s := range never {
				q := a.query()
				if shadowed++; l.rules[s.Rule].match(&q) == yes && l.rules[s.By].match(&q) != yes {
					t.Fatalf("rule %d matches %+v, but %d does not, in\n%s", s.Rule, a, s.By, lines(l.config))
				}
			}
		}
	}
	if shadowed < 1_000 {
		t.Errorf("only %d rules are shadowed", shadowed)
	}
}
