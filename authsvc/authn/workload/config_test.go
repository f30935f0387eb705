package workload

import (
	"strings"
	"testing"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/idp"
	"github.com/regate/regate/internal/problem"
)

type claims = map[string]Pattern

// checked is what Validate says of a rule: mistakes, and after them warnings.
func checked(c Config) (wrong, odd string) {
	var l problem.List
	l.Under("", c.Validate())
	for _, p := range l {
		if p.Warning {
			odd += p.Error() + "\n"
		} else {
			wrong += p.Error() + "\n"
		}
	}
	return wrong, odd
}

func rules(issuer string, all ...Rule) Config {
	return Config{{IssuerConfig: idp.IssuerConfig{Issuer: issuer, Audience: []string{gateName}}, Rules: all}}
}

const pinsNone = "[0].rules[0].claims: pin no owner, so that the rule would be for everybody who can have a token there: add "

// Which claims pin an owner, which do so for now, and which do not.
var ownerTests = []struct {
	claims claims
	wrong  bool
	odd    string // in what is warned of
}{
	{claims{}, true, ""},
	{claims{"ref": "refs/heads/main", "environment": "prod", "event_name": "push", "actor": "alice", "repository_visibility": "private", "runner_environment": "self-hosted"}, true, ""},
	{claims{"repository_id": "1"}, false, ""},
	{claims{"repository_owner_id": "1"}, false, ""},
	{claims{"enterprise_id": "1"}, false, ""},
	{claims{"repository_owner_id": "1*"}, true, ""}, // 12, 13 …
	{claims{"repository_owner_id": "*"}, true, ""},
	{claims{"repository_owner": "acme"}, false, "repository_owner: is a name"},
	{claims{"repository_owner": "acme*"}, true, ""},
	{claims{"repository": "acme/app"}, false, "repository: is a name"},
	{claims{"repository": "acme/*"}, false, "repository: is a name"},
	{claims{"repository": "acme*/app"}, true, ""},
	{claims{"repository": "*/app"}, true, ""},
	{claims{"repository": "*/*"}, true, ""},
	{claims{"repository": "acme/app", "repository_owner_id": "1"}, false, ""},
	{claims{"repository": "*/app", "repository_owner_id": "1"}, false, ""},
	{claims{"job_workflow_ref": "acme/ci/.github/workflows/build.yml@*"}, false, "job_workflow_ref: says what runs, and not for whom"},
	{claims{"job_workflow_ref": "acme/ci/.github/workflows/build.yml@*", "repository_owner": "acme"}, false, "repository_owner: is a name"},
	{claims{"job_workflow_ref": "*/ci/.github/workflows/build.yml@*"}, true, ""},
	{claims{"sub": "repo:acme/app:ref:refs/heads/main"}, false, "sub: is a name"},
	{claims{"sub": "repo:acme/*:environment:prod"}, false, "sub: is a name"},
	{claims{"sub": "repo:acme@65/app@74:ref:refs/heads/main"}, false, ""},
	{claims{"sub": "repo:acme@65/*:ref:refs/heads/main"}, false, ""},
	{claims{"sub": "repo:acme*/app:environment:prod"}, true, ""},
	{claims{"sub": "repo:*"}, true, ""},
	{claims{"sub": "rep*:acme/app:*"}, true, ""},
	{claims{"sub": "*"}, true, ""},
	{claims{"sub": "repository_owner:*:environment:prod"}, true, ""}, // as GitHub has it if asked to
	{claims{"sub": "00uid4BxXw6I6TV4m0g3"}, false, ""},
	{claims{"sub": "00u*"}, true, ""},
	{claims{"azp": "client"}, false, ""},
	{claims{"azp": "c*"}, true, ""},
	{claims{"project_id": "20"}, false, ""},
	{claims{"namespace_id": "20"}, false, ""},
	{claims{"project_path": "group/*"}, false, "project_path: is a name"},
	{claims{"project_path": "group*"}, true, ""},
	{claims{"namespace_path": "group/sub"}, false, "namespace_path: is a name"},
	{claims{"sub": "project_path:group/*:ref_type:branch:ref:main"}, false, "sub: is a name"},
	{claims{"sub": "project_path:*/app:ref_type:branch:ref:main"}, true, ""},
	{claims{"ci_config_ref_uri": "gitlab.com/group/ci//.gitlab-ci.yml@*"}, false, "ci_config_ref_uri: says what runs"},
	{claims{"ci_config_ref_uri": "gitlab.com/*/ci//.gitlab-ci.yml@*"}, true, ""},
	{claims{"sub": "system:serviceaccount:prod:web"}, false, ""},
	{claims{"sub": "system:serviceaccount:prod:*"}, false, ""},
	{claims{"sub": "system:serviceaccount:prod*:web"}, true, ""},
	{claims{"sub": "system:serviceaccount:*:*"}, true, ""},
	{claims{"kubernetes.io.namespace": "prod"}, false, ""},
	{claims{"kubernetes.io.namespace": "*"}, true, ""},
	{claims{"kubernetes.io.serviceaccount.name": "web"}, true, ""}, // there is one in each namespace
}

func TestRulesPinAnOwner(t *testing.T) {
	for _, tt := range ownerTests {
		wrong, odd := checked(rules(gitHub, Rule{Claims: tt.claims, Account: "ci"}))
		if got := strings.HasPrefix(wrong, pinsNone); got != tt.wrong || !got && wrong != "" {
			t.Errorf("%v: %q", tt.claims, wrong)
		}
		if tt.odd == "" && odd != "" || !strings.HasPrefix(odd, prefixOf(tt.odd)) {
			t.Errorf("%v: the warning is %q, want %q", tt.claims, odd, tt.odd)
		}
	}
}

func prefixOf(odd string) string {
	if odd == "" {
		return ""
	}
	return "[0].rules[0].claims." + odd
}

// TestOwnerClaims are the word of whoever runs the gate.
func TestOwnerClaims(t *testing.T) {
	for _, tt := range []struct {
		claims claims
		wrong  bool
	}{
		{claims{"tenant": "t-1"}, false},
		{claims{"tenant": "t-*"}, false},
		{claims{"tenant": "*"}, true},
		{claims{"sub": "tenant-1:*"}, false},
		{claims{"team": "t-1"}, true},
	} {
		c := rules("https://login.example.com", Rule{Claims: tt.claims, Account: "ci"})
		c[0].OwnerClaims = []string{"tenant", "sub"}
		if wrong, odd := checked(c); (wrong != "") != tt.wrong || odd != "" {
			t.Errorf("%v: %q, %q", tt.claims, wrong, odd)
		}
	}
}

func TestSuggestionIsForTheIssuer(t *testing.T) {
	for issuer, want := range map[string]string{
		gitHub: `repository_owner_id: "…"`, "https://github.example.com/_services/token": `repository_owner_id: "…"`,
		"https://gitlab.com": `project_id: "…"`, "https://gitlab.example.com": `project_id: "…"`,
		"https://kubernetes.default.svc.cluster.local": "sub: system:serviceaccount:NAMESPACE:NAME",
		"https://login.example.com":                    "sub, azp, ",
	} {
		if wrong, _ := checked(rules(issuer, Rule{Account: "ci"})); !strings.HasPrefix(wrong, pinsNone+want) {
			t.Errorf("%s: %q", issuer, wrong)
		}
	}
}

func TestConfigOfRules(t *testing.T) {
	for name, tt := range map[string]struct {
		rule       Rule
		wrong, odd string
	}{
		"least":                  {Rule{mine, "ci", nil}, "", ""},
		"all":                    {Rule{mine, "ci/${a.b.c}", map[string][]string{"l": {"${x}-${y}", "*"}}}, "", ""},
		"no account":             {Rule{mine, "", nil}, "account: is missing", ""},
		"account of a claim":     {Rule{mine, "${sub}", nil}, "", "account: begins with what a token says"},
		"open":                   {Rule{mine, "ci/${sub", nil}, "account: has a ${ without its }", ""},
		"no name":                {Rule{mine, "ci/${}", nil}, "account: a claim needs a name", ""},
		"a line":                 {Rule{mine, "ci\n", nil}, "account: has characters", ""},
		"an empty label":         {Rule{mine, "ci", map[string][]string{"l": {"a", ""}}}, "labels.l[1]: is empty", ""},
		"a label without a name": {Rule{mine, "ci", map[string][]string{"": {"a"}}}, `labels[""]: a label needs a name`, ""},
		"an open label":          {Rule{mine, "ci", map[string][]string{"l": {"${a"}}}, "labels.l[0]: has a ${", ""},
		"an empty pattern":       {Rule{claims{"sub": "x", "ref": ""}, "ci", nil}, "claims.ref: is empty", ""},
		"two stars":              {Rule{claims{"sub": "x", "ref": "refs/**"}, "ci", nil}, "claims.ref: ** means nothing", ""},
		"a variable":             {Rule{claims{"sub": "x", "ref": "${sub}"}, "ci", nil}, "claims.ref: ${…} is for account and labels", ""},
		"no claim":               {Rule{claims{"sub": "x", "": "y"}, "ci", nil}, `claims[""]: a claim needs a name`, ""},
		"too many dots":          {Rule{claims{"sub": "x", "a.b.c.d.e.f.g.h.i.j": "y"}, "ci", nil}, `claims["a.b.c.d.e.f.g.h.i.j"]: a claim has no such name`, ""},
	} {
		wrong, odd := checked(rules(gitHub, tt.rule))
		for got, want := range map[string]string{wrong: tt.wrong, odd: tt.odd} {
			if want == "" && got != "" || want != "" && !strings.HasPrefix(got, "[0].rules[0]."+want) || strings.Count(got, "\n") > 1 {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
}

func TestConfigOfIssuers(t *testing.T) {
	one := rules(gitHub, Rule{mine, "a", nil}, Rule{mine, "b", nil})[0]
	two := one
	two.Rules, two.OwnerClaims = nil, []string{""}
	wrong, odd := checked(Config{one, two})
	if want := "[1].owner_claims[0]: a claim needs a name\n[1].rules: are missing: without one, no token is for anybody\n[1].issuer: is that of [0] as well: have the rules of both there\n"; wrong != want {
		t.Errorf("the mistakes are\n%s", wrong)
	}
	if want := "[0].rules[1].claims: are those of rule 0, which comes first: this one is never used\n"; odd != want {
		t.Errorf("the warnings are\n%s", odd)
	}
}

// FuzzRule: whatever is configured and whatever a token says, the account has a
// name that one can have; and a star never stands for more than a part.
func FuzzRule(f *testing.F) {
	f.Add("sub", "repo:acme/*:ref:*", "ci/${sub}", "l-${sub}", "repo:acme/app:ref:x")
	f.Add("a.b", "*", "${a.b}", "${a}", "x")
	f.Fuzz(func(t *testing.T, claim, pattern, account, label, value string) {
		r := Rule{claims{claim: Pattern(pattern)}, account, map[string][]string{"l": {label}}}
		if r.validate() != nil {
			return
		}
		said := idp.Claims{claim: value, "sub": value, "a": idp.Claims{"b": []any{value, "x"}}}
		c := compileRule(r)
		id, err := c.identify(said)
		if err == nil && !authn.Plausible(id.Account) {
			t.Errorf("the account is %q", id.Account)
		}
		if c.matches(said) && strings.Count(value, "/")+strings.Count(value, ":") != strings.Count(pattern, "/")+strings.Count(pattern, ":") && !strings.HasPrefix(claim, "a") && claim != "sub" {
			t.Errorf("%q matches %q", pattern, value)
		}
	})
}
