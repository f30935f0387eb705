package casbin

import (
	"os"
	"strings"
	"testing"
)

var newTests = []struct {
	name          string
	model, policy string
	want          string // in the error; DIR stands for the files' directory
}{
	{"good", goodModel, goodPolicy, ""},
	{"empty policy", goodModel, "", ""},
	{"no model", "", goodPolicy, "model_path: DIR/model.conf: missing required sections"},
	{"another request", strings.Replace(goodModel, "r = account, type", "r = user, type", 1), goodPolicy,
		"model_path: DIR/model.conf: request_definition must be r = account, type, name, service, ip, action, labels"},
	{"a function that does not exist", strings.Replace(goodModel, "keyMatch(", "keyMatsch(", 1), goodPolicy, "model_path: DIR/model.conf with DIR/policy.csv: "},
	{"a variable that does not exist", strings.Replace(goodModel, "r.service ==", "r.servus ==", 1), "p, nobody, repository, none, none, 0.0.0.0/0, pull, {}\n", "model_path: DIR/model.conf with DIR/policy.csv: "},
	{"a question that is a matcher", strings.Replace(goodModel, "r.type == p.type", "eval( r.account)", 1), goodPolicy, "model_path: DIR/model.conf: eval of what is asked would let everybody write rules"},
	{"a policy that is a matcher", strings.Replace(goodModel, "r.type == p.type", "eval(p.type)", 1), "p, alice, r_type == 'repository', web/shop, registry, 10.0.0.0/8, pull, {}\n", ""},
	{"huge model", goodModel + strings.Repeat("# more\n", mostModel/7), goodPolicy, "model_path: DIR/model.conf is longer than 64 KiB"},
	{"huge policy", goodModel, strings.Repeat("# more\n", mostPolicy/6), "policy_path: DIR/policy.csv is longer than 4096 KiB"},
	{"long policy", goodModel, strings.Repeat("g, a, b\n", mostLines+1), "policy_path: DIR/policy.csv has more than 10000 rules"},
	{"quotes as docker_auth's old example has them", goodModel, `p, a, t, n, s, 1.2.3.4, pull, {"a":["b"]}`,
		`policy_path: DIR/policy.csv, line 1: not a list of values: bare " in non-quoted-field; one with quotes is written "{""group"": [""web""]}"`},
	{"another kind", goodModel, "\n\nx, a, b\n", `policy_path: DIR/policy.csv, line 3: the model has no "x"`},
	{"another policy", goodModel, "p2, a\n", `policy_path: DIR/policy.csv, line 1: the model has no "p2"`},
	{"a matcher in the policy", goodModel, "m, true\n", `policy_path: DIR/policy.csv, line 1: the model has no "m"`},
	{"no kind", goodModel, ", a\n", `policy_path: DIR/policy.csv, line 1: the model has no ""`},
	{"too few values", goodModel, "p, a, b\n", "policy_path: DIR/policy.csv, line 1: p needs 7 values, and there are 2"},
	{"too few roles", goodModel, "g, a\n", "policy_path: DIR/policy.csv, line 1: g needs 2 values, and there are 1"},
	{"too many roles", goodModel, "g, a, b, c\n", "policy_path: DIR/policy.csv, line 1: g needs 2 values, and there are 3"},
	{"a refusal that is misspelt", denyModel, "p, a, t, n, s, 1.2.3.4, pull, {}, Deny\n", `policy_path: DIR/policy.csv, line 1: the effect is allow or deny, and not "Deny"`},
	{"a refusal", denyModel, "p, a, t, n, s, 1.2.3.4, pull, {}, deny\np, a, t, n, s, 1.2.3.4, pull, {}, allow\n", ""},
	{"labels that are none", goodModel, "p, a, t, n, s, 1.2.3.4, pull, *\n",
		`policy_path: DIR/policy.csv, line 1: the labels are no JSON such as {"group": ["web"]}; where they do not matter, they are {}`},
	{"no labels at all", goodModel, `p, a, t, n, s, 1.2.3.4, pull, ""`, `the labels are no JSON`},
	{"labels that nobody looks at", strings.Replace(goodModel, " && labelMatch(r.labels, p.labels)", "", 1), "p, a, t, n, s, 1.2.3.4, pull, *\n", ""},
}

// denyModel has lines that refuse.
var denyModel = strings.NewReplacer(
	"p = account, type, name, service, ip, action, labels", "p = account, type, name, service, ip, action, labels, eft",
	"e = some(where (p.eft == allow))", "e = some(where (p.eft == allow)) && !some(where (p.eft == deny))",
).Replace(goodModel)

func TestNew(t *testing.T) {
	for _, tt := range newTests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := files(t, tt.model, tt.policy)
			_, err := New(cfg)
			got := ""
			if err != nil {
				got = strings.ReplaceAll(err.Error(), strings.TrimSuffix(cfg.ModelPath, "/model.conf"), "DIR")
			}
			if !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") || strings.Contains(got, "\n") {
				t.Errorf("New() = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestNoFiles(t *testing.T) {
	_, err := New(Config{ModelPath: "/nowhere/model", PolicyPath: "/nowhere/policy"})
	want := "model_path: open /nowhere/model: no such file or directory\npolicy_path: open /nowhere/policy: no such file or directory"
	if err == nil || err.Error() != want {
		t.Errorf("New() = %v", err)
	}
	if err := (Config{}).Validate(); err == nil || !strings.Contains(err.Error(), "model_path: is missing") || !strings.Contains(err.Error(), "policy_path: is missing") {
		t.Errorf("Validate() = %v", err)
	}
	if err := (Config{ModelPath: os.DevNull, PolicyPath: os.DevNull}).Validate(); err != nil {
		t.Errorf("Validate() = %v", err)
	}
}

// Those of docker_auth's own test.
var labelTests = []struct {
	has, needs string
	want       bool
}{
	{`{"a":["b"]}`, `{"a":["b"]}`, true},
	{`{"a":["b"]}`, `{"a":["c"]}`, false},
	{`{"a":["b","c"]}`, `{"a":["b"]}`, true},
	{`{"a":["b"]}`, `{"a":["b","c"]}`, false},
	{`{"a":["b","c"],"d":["e"]}`, `{"a":["b","c"]}`, true},
	{`{"a":["b"]}`, `{"a":["b","c"],"d":["f"]}`, false},
	{`{}`, `{}`, true},
	{`{}`, `{"a":[]}`, true},
	{`{}`, `{"a":null}`, true},
}

func TestLabelMatch(t *testing.T) {
	for _, tt := range labelTests {
		if got, err := labelMatch(tt.has, tt.needs); got != tt.want || err != nil {
			t.Errorf("labelMatch(%s, %s) = %v, %v", tt.has, tt.needs, got, err)
		}
	}
	for _, args := range [][]any{{}, {"{}"}, {"{}", ""}, {"{}", "*"}, {"{}", "null"}, {"[]", "{}"}, {`{"a":"b"}`, "{}"}, {"{}", 7}, {"{}", "{}", "{}"}} {
		if got, err := labelMatch(args...); got != false || err == nil {
			t.Errorf("labelMatch(%v) = %v, %v", args, got, err)
		}
	}
}
