package acl

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/regate/regate/internal/problem"
)

var pullOnly = []string{"pull"}

var validateTests = []struct {
	name   string
	config Config
	want   []string // "path: part of the message"; a "?" before it for a warning
}{{
	name: "nothing to say",
	config: Config{
		{Match: &Match{Account: ptr("admin")}, Actions: []string{"*"}},
		{Match: &Match{Account: ptr("/.+/"), Name: ptr("${account}/*"), Type: ptr("repository")}, Actions: pullOnly},
		{Match: &Match{Type: ptr("registry"), Name: ptr("catalog")}, Actions: []string{}},
		{Match: &Match{Name: ptr(`/^team-[0-9]+\/.*$/`), IP: ptr("10.0.0.0/8")}, Actions: pullOnly},
		{Match: &Match{}, Actions: []string{}},
	},
}, {
	name:   "no match, no actions",
	config: Config{{}},
	want:   []string{"[0].match: is missing", "[0].actions: is missing"},
}, {
	name: "bad patterns",
	config: Config{
		{Match: &Match{Account: ptr("/foo?*/"), Name: ptr("[a"), Type: ptr("[]"), Service: ptr(`x\`)}, Actions: pullOnly},
		{Match: &Match{Labels: map[string]string{"g": "[^]", "h": "/(/"}}, Actions: pullOnly},
	},
	want: []string{
		"[0].match.account: not a regex: invalid nested repetition operator", "[0].match.type: glob \"[]\" is malformed",
		"[0].match.name: glob \"[a\" is malformed", `[0].match.service: glob "x\\" is malformed`,
		`[1].match.labels.g: glob "[^]" is malformed`, "[1].match.labels.h: not a regex: missing closing )",
	},
}, {
	name: "bad addresses",
	config: Config{
		{Match: &Match{IP: ptr("192.168.0.1/100")}, Actions: pullOnly}, {Match: &Match{IP: ptr("192.168.0.*")}, Actions: pullOnly},
		{Match: &Match{IP: ptr("")}, Actions: pullOnly}, {Match: &Match{IP: ptr("fe80::1%eth0")}, Actions: pullOnly},
	},
	want: []string{
		`[0].match.ip: "192.168.0.1/100" is neither`, `[1].match.ip: "192.168.0.*" is neither`,
		`[2].match.ip: "" is neither`, `[3].match.ip: "fe80::1%eth0" is neither`,
	},
}, {
	name:   "bad actions",
	config: Config{{Match: &Match{}, Actions: []string{"*", "pull"}}, {Match: &Match{}, Actions: []string{"pull", "write", ""}}},
	want: []string{
		`[0].actions[0]: "*" beside other actions`, `[1].actions[1]: "write" is unknown`, `[1].actions[2]: "" is unknown`,
	},
}, {
	name: "bad variables",
	config: Config{
		{Match: &Match{Name: ptr("${user}/*")}, Actions: pullOnly},
		{Match: &Match{Name: ptr("${account/*")}, Actions: pullOnly},
		{Match: &Match{Name: ptr("${labels:}/*")}, Actions: pullOnly},
		{Match: &Match{Name: ptr(`\${account}`)}, Actions: pullOnly},
		{Match: &Match{Name: ptr("[${account}]")}, Actions: pullOnly},
		{Match: &Match{Name: ptr("/^[${account}]$/")}, Actions: pullOnly},
		{Match: &Match{Name: ptr(`/^\Q${account}\E$/`)}, Actions: pullOnly},
		{Match: &Match{Name: ptr(`/^${account}+$/`)}, Actions: pullOnly},
		{Match: &Match{Labels: map[string]string{"g": "${labels:h}"}}, Actions: pullOnly},
	},
	want: []string{
		"[0].match.name: ${user} is unknown", "[1].match.name: ${account/* is not closed", "[2].match.name: ${labels:} is unknown",
		`[3].match.name: \${ escapes half of a variable`, `[4].match.name: glob "[" is malformed`,
		"[5].match.name: a variable cannot stand in", "[6].match.name: a variable cannot stand in",
		"[7].match.name: what repeats a variable", "[8].match.labels.g: ${labels:h} cannot stand",
	},
}, {
	name: "bad captures",
	config: Config{
		{Match: &Match{Name: ptr("${account:1}")}, Actions: pullOnly},
		{Match: &Match{Account: ptr("a*"), Name: ptr("${account:1}")}, Actions: pullOnly},
		{Match: &Match{Account: ptr("/^(a)$/"), Name: ptr("${account:2}")}, Actions: pullOnly},
		{Match: &Match{Account: ptr("/^(a)$/"), Name: ptr("${account:0}")}, Actions: pullOnly},
		{Match: &Match{Account: ptr("/^(a)${account:1}$/")}, Actions: pullOnly},
		{Match: &Match{Account: ptr("/^(a)${name}$/"), Name: ptr("${account:1}")}, Actions: pullOnly},
	},
	want: []string{
		"[0].match.name: ${account:1}: the rule has no regex for account", "[1].match.name: ${account:1}: the rule has no regex for account",
		"[2].match.name: ${account:2}: the regex for account has 1 groups", "[3].match.name: ${account:0}: the regex for account has 1 groups",
		"[4].match.account: ${account:1}: the regex for account has variables", "[5].match.name: ${account:1}: the regex for account has variables",
	},
}, {
	name: "what may surprise",
	config: Config{
		{Match: &Match{}, Actions: pullOnly},
		{Match: &Match{Account: ptr("/^a|b$/"), Name: ptr("foo/**"), Type: ptr("repo")}, Actions: pullOnly},
		{Match: &Match{Name: ptr("/foo"), Type: ptr("registry")}, Actions: pullOnly},
		{Match: &Match{Account: ptr("/^(.*)@x$/"), Name: ptr("${account:1}/${labels:g}")}, Actions: pullOnly},
		{Match: &Match{Account: ptr("/^(.*)@y$/"), Name: ptr("/^${account:1}/${labels:g}$/")}, Actions: pullOnly},
	},
	want: []string{
		"?[0].match: matches everything", "?[1].match.account: the regex may match anywhere", "?[1].match.name: ** is the same as *",
		"?[1].match.type: there are only", "?[2].match.name: begins with /", "?[2].actions: the catalog is listed",
		"?[3].match.name: what ${account:1} stands for", "?[4].match.name: values of ${labels:g} are taken literally in a regex",
	},
}, {
	name: "labels that multiply",
	config: Config{
		{Match: &Match{Name: ptr("${labels:a}/${labels:b}-${labels:a}")}, Actions: pullOnly},
		{Match: &Match{Name: ptr(`/^${labels:a}\/${labels:b}-(?:${labels:c})*-${labels:b}$/`)}, Actions: pullOnly},
		{Match: &Match{Name: ptr("${labels:a}/${account}"), Account: ptr("${labels:b}")}, Actions: pullOnly},
		{Match: &Match{Name: ptr(`/^${labels:a}\/(?:${labels:c})*$/`)}, Actions: pullOnly},
	},
	want: []string{
		"?[0].match.name: ${labels:a} and ${labels:b} multiply: for an account of which more than 1024",
		"?[1].match.name: ${labels:b} and ${labels:c} multiply: for an account of which more than 64",
		"?[1].match.name: values of ${labels:a} are taken literally in a regex",
	},
}}

func TestValidate(t *testing.T) {
	for _, tt := range validateTests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.config.Validate()
			var got problem.List
			errors.As(err, &got)
			if len(got) != len(tt.want) {
				t.Fatalf("Validate() = \n%v\nwant %d problems", err, len(tt.want))
			}
			for _, want := range tt.want {
				message, warning := strings.CutPrefix(want, "?")
				if !hasProblem(got, message, warning) {
					t.Errorf("Validate() lacks %q in\n%v", want, err)
				}
			}
			if _, err := Compile(tt.config); (err != nil) != got.Fatal() {
				t.Errorf("Compile() = %v, but Validate() = %v", err, got)
			}
		})
	}
}

func hasProblem(l problem.List, message string, warning bool) bool {
	for _, p := range l {
		if strings.HasPrefix(p.Error(), message) && p.Warning == warning {
			return true
		}
	}
	return false
}

func TestManySlowRulesAreWorthAWord(t *testing.T) {
	slow := map[string]func(int) *Match{
		"regexes":           func(i int) *Match { return &Match{Name: ptr(fmt.Sprintf(`/^[a-z]+-%d$/`, i))} },
		"labels of a kind":  func(i int) *Match { return &Match{Labels: map[string]string{"g": fmt.Sprintf("team-%d-*", i)}} },
		"any value of some": func(i int) *Match { return &Match{Name: ptr(fmt.Sprintf("${labels:g}/%d", i))} },
	}
	var quick Config
	for i := range 2 * manySlow {
		quick = append(quick,
			Rule{Match: &Match{Name: ptr(fmt.Sprintf(`/^(team|x)-%d\/.*$/`, i))}, Actions: pullOnly},
			Rule{Match: &Match{Labels: map[string]string{"g": fmt.Sprintf("team-%d", i)}}, Actions: pullOnly},
			Rule{Match: &Match{Name: ptr(fmt.Sprintf("%d/${labels:g}", i))}, Actions: pullOnly})
	}
	for name, match := range slow {
		c := slices.Clone(quick)
		for i := range manySlow {
			c = append(c, Rule{Match: match(i), Actions: pullOnly})
		}
		if err := c.Validate(); err != nil {
			t.Errorf("%s: Validate() = %v for %d", name, err, manySlow)
		}
		c = append(c, Rule{Match: match(manySlow), Actions: pullOnly})
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "201 rules have regexes or labels") {
			t.Errorf("%s: Validate() = %v for one more", name, err)
		}
	}
}
