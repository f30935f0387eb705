package authsvc

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/narrow"
	"github.com/regate/regate/authsvc/secret"
	"github.com/regate/regate/internal/oci"
)

// pick returns some of a list, one at least.
func pick(from ...string) []string {
	rand.Shuffle(len(from), func(i, k int) { from[i], from[k] = from[k], from[i] })
	return from[:1+rand.IntN(len(from))]
}

func randomRules(t *testing.T) *acl.List {
	t.Helper()
	names := []string{"team/*", "team/app", "*", "/^team/", "${account}/*", "base/*", "**"}
	var rules acl.Config
	for range 1 + rand.IntN(5) {
		r := acl.Rule{Match: &acl.Match{}, Actions: [][]string{{"*"}, {}, pick("pull", "push", "delete")}[rand.IntN(3)]}
		if rand.IntN(3) > 0 {
			r.Match.Name = text(pick(slices.Clone(names)...)[0])
		}
		if rand.IntN(3) == 0 {
			r.Match.Type = text(pick(oci.Repository, oci.Registry)[0])
		}
		rules = append(rules, r)
	}
	list, err := acl.Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func randomBounds() (all []authn.Bound) {
	for range 1 + rand.IntN(3) {
		name := pick("team/*", "team/**", "team/app", "**", "*", "base/*", "ci/*")[0]
		all = append(all, authn.Bound{Repository: name, Actions: pick("pull", "push", "delete")})
	}
	return all
}

func randomWants() oci.Scope {
	wants := []oci.Access{}
	for range 1 + rand.IntN(4) {
		name := pick("team/app", "team/a/b", "base/x", "app", "ci/x")[0]
		wants = append(wants, oci.Access{Type: oci.Repository, Name: name, Actions: oci.Actions(1 + rand.IntN(int(oci.All)))})
	}
	if rand.IntN(2) == 0 {
		wants = append(wants, oci.CatalogAccess())
	}
	return oci.NewScope(wants...)
}

// within reports, in another way than the package narrow, whether bounds have
// all of what was granted.
func within(granted oci.Access, bounds []authn.Bound) bool {
	for _, action := range granted.Actions.Names() {
		if granted.Type == oci.Registry {
			action = "pull" // of anything
		}
		if !slices.ContainsFunc(bounds, func(b authn.Bound) bool {
			one := narrow.New([]authn.Bound{{Repository: b.Repository, Actions: []string{"pull"}}})
			named := granted.Type == oci.Registry || one.Cut(oci.Access{Type: oci.Repository, Name: granted.Name, Actions: oci.Pull}) != 0
			return named && slices.Contains(b.Actions, action)
		}) {
			return false
		}
	}
	return true
}

// TestNarrowedIsLess: whatever the rules and the bounds, who is narrowed is
// granted what the owner is and the bounds have, and all of that.
func TestNarrowedIsLess(t *testing.T) {
	cut, whole := 0, 0
	for range 6_000 {
		s := &Service{rules: acl.Chain{randomRules(t)}}
		ask, bounds, wants := acl.Ask{Identity: authn.Identity{Account: "ci"}}, randomBounds(), randomWants()
		owner, err := s.grant(t.Context(), ask, wants)
		if err != nil {
			t.Fatal(err)
		}
		ask.Identity.Via.Within = bounds
		got, err := s.grant(t.Context(), ask, wants)
		if err != nil {
			t.Fatal(err)
		}
		if !owner.Contains(got...) {
			t.Fatalf("within %v: granted %v, and the owner %v", bounds, got, owner)
		}
		for _, a := range got {
			if !within(a, bounds) {
				t.Fatalf("within %v: granted %v", bounds, a)
			}
		}
		for _, a := range owner {
			for _, act := range []oci.Actions{oci.Pull, oci.Push, oci.Delete, oci.Any} {
				one := oci.Access{Type: a.Type, Name: a.Name, Actions: a.Actions & act}
				if one.Actions != 0 && within(one, bounds) && !got.Contains(one) {
					t.Fatalf("within %v: %v was not granted, and the owner may", bounds, one)
				}
			}
		}
		if len(got) > 0 && got.String() != owner.String() {
			cut++
		} else if len(got) > 0 {
			whole++
		}
	}
	if cut < 200 || whole < 200 {
		t.Errorf("cut %d times, and whole %d times: the test says little", cut, whole)
	}
}

// robot makes a robot of admin, who may do everything.
func (p *personalRig) robot(t *testing.T, bounds ...authn.Bound) string {
	t.Helper()
	text, _, err := p.book.Create(t.Context(), secret.Token{Kind: secret.Robot, Owner: "admin", Method: "m", Name: "deploy", Within: bounds})
	if err != nil {
		t.Fatal(err)
	}
	return "admin:" + text.Reveal()
}

var (
	deploys = authn.Bound{Repository: "team/**", Actions: []string{"pull", "push"}}
	pushes  = authn.Bound{Repository: "base/*", Actions: []string{"push"}}
)

// TestRobot: a robot logs in with the name of its owner, at /auth and with a
// request itself, and can do what it is for.
func TestRobot(t *testing.T) {
	p := newPersonalRig(t)
	robot := p.robot(t, deploys, pushes)
	w, body := p.ask(t, shown{method: "GET", basic: robot, query: "scope=repository:team/a/b:pull,push,delete&scope=repository:base/x:pull,push&scope=repository:other/x:pull"})
	if want := "repository:base/x:push repository:team/a/b:pull,push"; w.Code != 200 || body["scope"] != want {
		t.Errorf("granted %v, %d; want %s", body["scope"], w.Code, want)
	}
	for need, want := range map[string]string{
		"repository:team/a/b:push":   "no refusal: <nil>",
		"repository:team/a/b:delete": "insufficient_scope: admin may not delete in team/a/b",
		"repository:base/x:pull":     "insufficient_scope: admin may not pull from base/x",
		"repository:other/x:pull":    "insufficient_scope: admin may not pull from other/x",
	} {
		_, err := p.door.Authorize(t.Context(), oci.Shown{Authorization: oci.NewSecret(basic(robot))}, needs(need))
		if got := refused(err); got != want {
			t.Errorf("%s with the request: %q, want %q", need, got, want)
		}
	}
}

// TestRobotIsInTheLog: each line of a request that a robot makes has its name, and
// the secret that it was known by.
func TestRobotIsInTheLog(t *testing.T) {
	p := newPersonalRig(t)
	robot := p.robot(t, deploys)
	p.ask(t, shown{method: "GET", basic: robot, query: "scope=repository:team/a:pull"})
	tokens, err := p.book.Robot(t.Context(), "admin", "deploy")
	if err != nil || len(tokens) != 1 {
		t.Fatal(tokens, err)
	}
	for _, message := range []string{"token issued", "request"} {
		lines := p.logs.FilterMessage(message).All()
		if len(lines) != 1 {
			t.Fatalf("%d lines %q", len(lines), message)
		}
		if got := lines[0].ContextMap(); got["robot"] != "deploy" || got["subject"] != "admin" || got["family"] != tokens[0].ID {
			t.Errorf("%s: %v", message, got)
		}
	}
}

// TestNarrowedListing: what is listed is what both the rules and a bound let
// somebody pull, however they log in.
func TestNarrowedListing(t *testing.T) {
	p := newPersonalRig(t)
	all := []string{"base/x", "other/x", "team", "team/a/b", "team/app"}
	for _, tt := range []struct {
		name, basic string
		want        []string
	}{
		{"bounds", p.robot(t, deploys, pushes), []string{"team/a/b", "team/app"}},
		{"the owner", "admin:admin secret", all},
	} {
		bearer := "Bearer " + p.token(t, tt.basic)
		for _, header := range []string{bearer, basic(tt.basic)} {
			shown := oci.Shown{Authorization: oci.NewSecret(header)}
			grant, err := p.door.Authorize(t.Context(), shown, []oci.Access{oci.CatalogAccess()})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := p.door.Visible(t.Context(), shown, grant, all); err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%s, %.6s: Visible() = %v, %v; want %v", tt.name, header, got, err, tt.want)
			}
		}
	}
}

// TestListingNeedsPull: who may only push somewhere lists nothing.
func TestListingNeedsPull(t *testing.T) {
	p := newPersonalRig(t)
	robot := p.robot(t, pushes)
	w, body := p.ask(t, shown{method: "GET", basic: robot, query: "scope=registry:catalog:*"})
	if w.Code != 200 || body["scope"] != "" {
		t.Errorf("granted %v, %d", body["scope"], w.Code)
	}
	_, err := p.door.Authorize(t.Context(), oci.Shown{Authorization: oci.NewSecret(basic(robot))}, []oci.Access{oci.CatalogAccess()})
	if !strings.HasPrefix(refused(err), string(oci.InsufficientScope)) {
		t.Errorf("with the request: %v", err)
	}
}

// TestManyBounds, more than a token holds, are kept in the state, and list as
// few do.
func TestManyBounds(t *testing.T) {
	p := newPersonalRig(t)
	bounds := []authn.Bound{deploys}
	for i := range narrow.Most - 1 {
		bounds = append(bounds, authn.Bound{Repository: strings.Repeat("a", 200) + fmt.Sprint(i), Actions: []string{"pull"}})
	}
	shown := oci.Shown{Authorization: oci.NewSecret("Bearer " + p.token(t, p.robot(t, bounds...)))}
	grant, err := p.door.Authorize(t.Context(), shown, nil)
	if err != nil || len(grant.Labels) > 100 {
		t.Fatalf("the token carries %d bytes: %v", len(grant.Labels), err)
	}
	if got, err := p.door.Visible(t.Context(), shown, grant, []string{"other/x", "team/app"}); err != nil || !slices.Equal(got, []string{"team/app"}) {
		t.Errorf("Visible() = %v, %v", got, err)
	}
}

// TestGrantThatCannotBeReadListsNothing: it may be of a gate that knows of more
// that is not to be seen.
func TestGrantThatCannotBeReadListsNothing(t *testing.T) {
	r := newRig(t)
	for _, carried := range []string{`{"hidden":["x"]}`, `{"team":[{"v":"web"}]}`, `{"within":"x"}`, `{`} {
		got, err := r.door.Visible(t.Context(), oci.Shown{}, oci.Grant{Subject: "admin", Labels: []byte(carried)}, []string{"x"})
		if len(got) > 0 || !strings.HasPrefix(refused(err), string(oci.InvalidToken)) {
			t.Errorf("%s: Visible() = %v, %v", carried, got, err)
		}
	}
}
