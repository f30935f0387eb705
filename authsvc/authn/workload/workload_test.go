package workload

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/idp"
)

// job is what GitHub says of one.
var job = object{
	"repository": "acme/app", "repository_id": "74", "repository_owner": "acme", "repository_owner_id": "65",
	"ref": "refs/heads/main", "ref_type": "branch", "environment": "prod", "event_name": "push", "head_ref": "",
	"job_workflow_ref": "acme/app/.github/workflows/build.yml@refs/heads/main", "run_attempt": 1, "ref_protected": true,
	"groups": []any{"a", "b/c", 3}, "others": []any{"x", "y"}, "kubernetes.io": object{"namespace": "prod", "serviceaccount": object{"name": "web"}},
	"Path": "acMe", "wild": "**", "long": strings.Repeat("x", 257), "line": "a\nb", "a.b": "dots", "a": object{"b": "object"},
}

func labels(pattern bool, values ...string) (all []authn.Label) {
	for _, v := range values {
		all = append(all, authn.Label{Value: v, Pattern: pattern})
	}
	return all
}

var mine = claims{"repository_owner_id": "65"}

// What the rules make of job: an account with labels, or what its holder is told.
var ruleTests = []struct {
	name  string
	rules []Rule
	want  authn.Identity
	no    string
}{
	{name: "a name", rules: []Rule{{Claims: mine, Account: "ci"}}, want: authn.Identity{Account: "ci"}},
	{name: "claims in it", rules: []Rule{{Claims: mine, Account: "ci/${repository}@${run_attempt}$"}}, want: authn.Identity{Account: "ci/acme/app@1$"}},
	{name: "in small letters", rules: []Rule{{Claims: mine, Account: "ci/${lower:Path}/${Path}", Labels: map[string][]string{"l": {"${lower:Path}"}}}}, want: authn.Identity{Account: "ci/acme/acMe", Labels: authn.Labels{"l": labels(false, "acme")}}},
	{name: "a claim within", rules: []Rule{{Claims: mine, Account: "${kubernetes.io.namespace}-${kubernetes.io.serviceaccount.name}"}}, want: authn.Identity{Account: "prod-web"}},
	{name: "a list of one is not there", rules: []Rule{{Claims: mine, Account: "x-${groups}"}}, no: "its account needs the claim groups, with one value"},
	{name: "no such claim", rules: []Rule{{Claims: mine, Account: "x-${team}"}}, no: "its account needs the claim team"},
	{name: "an empty claim", rules: []Rule{{Claims: mine, Account: "x-${head_ref}"}}, no: "its account needs the claim head_ref"},
	{name: "an object", rules: []Rule{{Claims: mine, Account: "x-${kubernetes.io}"}}, no: "its account needs the claim kubernetes.io"},
	{name: "a name that means two", rules: []Rule{{Claims: mine, Account: "x-${a.b}"}}, no: "its account needs the claim a.b"},
	{name: "too long", rules: []Rule{{Claims: mine, Account: "x-${long}"}}, no: "its claims make no name"},
	{name: "a line", rules: []Rule{{Claims: mine, Account: "x-${line}"}}, no: "its claims make no name"},

	{name: "the first", rules: []Rule{{Claims: mine, Account: "a"}, {Claims: mine, Account: "b"}}, want: authn.Identity{Account: "a"}},
	{name: "the second", rules: []Rule{{Claims: claims{"repository_owner_id": "6"}, Account: "a"}, {Claims: mine, Account: "b"}}, want: authn.Identity{Account: "b"}},
	{name: "none", rules: []Rule{{Claims: claims{"repository_owner_id": "6"}, Account: "a"}}, no: `no rule of jwt_auth is for it; its sub is "repo:acme/app:ref:refs/heads/main"`},

	{name: "labels", rules: []Rule{{Claims: mine, Account: "ci", Labels: map[string][]string{
		"from": {"github", "we*"}, "repo": {"${repository}", "${wild}"}, "group": {"g-${groups}"}, "pair": {"${ref_type}:${others}"}, "none": {"${team}", "${head_ref}"}}}},
		want: authn.Identity{Account: "ci", Labels: authn.Labels{
			"from": labels(true, "github", "we*"), "repo": labels(false, "acme/app", "**"), "group": labels(false, "g-a", "g-b/c", "g-3"), "pair": labels(false, "branch:x", "branch:y")}}},
	{name: "label of two lists", rules: []Rule{{Claims: mine, Account: "ci", Labels: map[string][]string{"l": {"${groups}-${others}"}}}}, no: "both groups and others have several values"},
	{name: "long label", rules: []Rule{{Claims: mine, Account: "ci", Labels: map[string][]string{"l": {"${long}"}}}}, no: "its claims make labels that are too many, too long"},
}

func TestRules(t *testing.T) {
	for _, tt := range ruleTests {
		u := open(t, config(t, tt.rules...), nil)
		got, err := u.Before(nobody).Authenticate(t.Context(), authn.Credentials{Account: "anything", Password: jwt(t, job)})
		if tt.no != "" {
			var no *idp.Refusal
			if !errors.Is(err, authn.ErrWrongPassword) || !errors.As(err, &no) || !strings.HasPrefix(no.Msg, "the token is not good here: "+tt.no) {
				t.Errorf("%s: %+v, %v; want %q", tt.name, got, err, tt.no)
			}
			continue
		}
		tt.want.Via.Means = authn.ByWorkload
		if tt.want.Labels == nil {
			tt.want.Labels = authn.Labels{}
		}
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, %v; want %+v", tt.name, got, err, tt.want)
		}
	}
}

// Which claims hold. A star stands for something, but for no more than a part.
func TestConditions(t *testing.T) {
	said := object{"pull_request": "true"}
	for _, c := range []object{job, said} {
		for name, v := range c {
			said[name] = v
		}
	}
	for _, tt := range []struct {
		claim   string
		pattern Pattern
		want    bool
	}{
		{"repository", "acme/app", true},
		{"repository", "acme/*", true},
		{"repository", "*/*", true},
		{"repository", "*", false},
		{"repository", "acme*", false},
		{"repository", "acme/app*", false}, // one or more
		{"repository", "acme/ap*", true},
		{"repository", "acme/a.p", false},
		{"repository", "ACME/app", false},
		{"repository", "acme/app ", false},
		{"sub", "repo:acme/*:ref:refs/heads/main", true},
		{"sub", "repo:acme/*", false},
		{"sub", "repo:*/*:*:*/*/*", true},
		{"sub", "*", false},
		{"job_workflow_ref", "acme/app/.github/workflows/*@refs/heads/*", true},
		{"job_workflow_ref", "acme/app/.github/workflows/*", false},
		{"groups", "a", true},
		{"groups", "b/c", true},
		{"groups", "*/c", true},
		{"groups", "3", true},
		{"groups", "d", false},
		{"run_attempt", "1", true},
		{"ref_protected", "true", true},
		{"kubernetes.io.namespace", "prod", true},
		{"kubernetes.io.serviceaccount.name", "w*", true},
		{"kubernetes.io", "*", false},
		{"kubernetes", "*", false},
		{"a.b", "dots", false}, // means two
		{"team", "*", false},
		{"line", "a*", true},
		{"line", "a", false},
		{"wild", "**", true},
	} {
		u := open(t, config(t, Rule{Claims: claims{tt.claim: tt.pattern}, Account: "x"}), nil)
		_, err := u.Before(nobody).Authenticate(t.Context(), authn.Credentials{Password: jwt(t, said)})
		if got := err == nil; got != tt.want {
			t.Errorf("%s: %q holds: %v, %v", tt.claim, tt.pattern, got, err)
		}
	}
}

// TestOthersAreLeftToOthers, who are not asked about tokens that are ours.
func TestOthersAreLeftToOthers(t *testing.T) {
	u := open(t, config(t, Rule{Claims: mine, Account: "ci"}), nil)
	var asked []string
	others := authn.Func(func(_ context.Context, c authn.Credentials) (authn.Identity, error) {
		asked = append(asked, c.Account)
		return authn.Identity{}, authn.ErrUnknownUser
	})
	stranger := jwt(t, object{"iss": "https://evil.example"})
	for _, tt := range []struct {
		account  string
		password authn.Secret
		left     bool
		want     string
	}{
		{"password", "hunter2", true, "unknown user"},
		{"", "", true, "unknown user"},
		{"stranger", stranger, true, `unknown user: the password is a token, and its issuer "https://evil.example" is none of jwt_auth`},
		{"slash", jwt(t, object{"iss": gitHub + "/"}), true, `unknown user: the password is a token, and its issuer "` + gitHub + `/" is none of jwt_auth`},
		{"damaged", "eyJ.x.y", true, `unknown user: the password is a token, and its issuer "" is none of jwt_auth`},
		{"expired", jwt(t, object{"exp": noon.Unix() - 60}), false, "token of " + gitHub},
		{"forged", jwt(t, job) + "AAAA", false, "token of " + gitHub},
	} {
		asked = nil
		_, err := u.Before(others).Authenticate(t.Context(), authn.Credentials{Account: tt.account, Password: tt.password})
		if left := len(asked) == 1; left != tt.left || err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), string(tt.password)) && tt.password != "" {
			t.Errorf("%s: left to others: %v, %v; want %v, %s", tt.account, left, err, tt.left, tt.want)
		}
	}
}

// TestIssuerThatCannotBeAskedIsNoRefusal: the token may well be good.
func TestIssuerThatCannotBeAskedIsNoRefusal(t *testing.T) {
	c := config(t, Rule{Claims: mine, Account: "ci"})
	c[0].JWKSFile, c[0].JWKSURL = "", "https://127.0.0.1:1/keys"
	_, err := open(t, c, nil).Before(nobody).Authenticate(t.Context(), authn.Credentials{Password: jwt(t, job)})
	if !errors.Is(err, authn.ErrUndecided) || errors.Is(err, authn.ErrWrongPassword) || errors.Is(err, authn.ErrUnknownUser) {
		t.Errorf("the error is %v", err)
	}
}

func TestLogSaysWhichRule(t *testing.T) {
	core, logged := observer.New(zap.DebugLevel)
	u := open(t, config(t, Rule{Claims: claims{"repository_id": "1"}, Account: "x"}, Rule{Claims: mine, Account: "ci/${repository}"}), zap.New(core))
	password := jwt(t, job)
	if _, err := u.Before(nobody).Authenticate(t.Context(), authn.Credentials{Account: "token", Password: password}); err != nil {
		t.Fatal(err)
	}
	lines := logged.TakeAll()
	want := map[string]any{"issuer": gitHub, "rule": int64(1), "sub": "repo:acme/app:ref:refs/heads/main", "subject": "ci/acme/app", "user": "token"}
	if len(lines) != 1 || !reflect.DeepEqual(lines[0].ContextMap(), want) || strings.Contains(fmt.Sprint(lines), string(password)) {
		t.Errorf("the log is %v", lines)
	}
}

// TestIssuersOutliveAReload, if nothing about them is another.
func TestIssuersOutliveAReload(t *testing.T) {
	rule := Rule{Claims: mine, Account: "ci"}
	c := config(t, rule)
	c = append(c, IssuerConfig{IssuerConfig: idp.IssuerConfig{Issuer: "https://gitlab.com", Audience: []string{gateName}, CA: c[0].JWKSFile}, Rules: []Rule{rule}})
	c[1].CA = ""
	was := open(t, c, nil)

	next := append(Config{}, c...)
	next[0].Rules = []Rule{{Claims: mine, Account: "other"}}
	next[1].MaxAge = time.Hour
	is := open(t, next, nil)
	is.Inherit(was, func(string) bool { return true })
	if is.issuers[gitHub].Issuer != was.issuers[gitHub].Issuer {
		t.Error("an issuer with other rules was not taken over")
	}
	if is.issuers["https://gitlab.com"].Issuer == was.issuers["https://gitlab.com"].Issuer {
		t.Error("an issuer with another max_age was taken over")
	}
	id, err := is.Before(nobody).Authenticate(t.Context(), authn.Credentials{Password: jwt(t, job)})
	if id.Account != "other" || err != nil {
		t.Errorf("the new rules say %+v, %v", id, err)
	}

	is = open(t, c, nil)
	is.Inherit(was, func(path string) bool { return path != c[0].JWKSFile })
	if is.issuers[gitHub].Issuer == was.issuers[gitHub].Issuer {
		t.Error("an issuer with another jwks_file was taken over")
	}
}

func TestFileThatIsWrong(t *testing.T) {
	c := config(t, Rule{Claims: mine, Account: "ci"})
	if err := os.WriteFile(c[0].JWKSFile, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(append(config(t), c...), nil, nil); err == nil || !strings.HasPrefix(err.Error(), "[1].jwks_file: ") {
		t.Errorf("New() = %v", err)
	}
}

// BenchmarkWorkloadKnownLogin is each login of a workload: nothing is remembered
// but the issuer's keys.
func BenchmarkWorkloadKnownLogin(b *testing.B) {
	rules := []Rule{}
	for i := range 20 {
		rules = append(rules, Rule{Claims: claims{"repository_owner_id": "65", "repository": Pattern(fmt.Sprintf("acme/*-%d", i))}, Account: "x"})
	}
	rules = append(rules, Rule{Claims: mine, Account: "ci/${repository}", Labels: map[string][]string{"ref": {"${ref}"}}})
	users := open(b, config(b, rules...), nil).Before(nobody)
	cred := authn.Credentials{Account: "token", Password: jwt(b, job)}
	b.ReportAllocs()
	for b.Loop() {
		if id, err := users.Authenticate(b.Context(), cred); err != nil || id.Account != "ci/acme/app" {
			b.Fatal(id, err)
		}
	}
}
