package browser

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/secret"
)

// TestTokenForLess: on the page people choose what a token is good for, and the
// list says so.
func TestTokenForLess(t *testing.T) {
	everywhere := func(actions ...string) []authn.Bound { return []authn.Bound{{Repository: "**", Actions: actions}} }
	for _, tt := range []struct {
		good, repositories string
		want               []authn.Bound
		shown              string
	}{
		{"", "", nil, ""}, // a form of before
		{"all", " ", nil, ""},
		{"pull", "", everywhere("pull"), "pull in every repository"},
		{"push", "team/**, base/*", []authn.Bound{{Repository: "team/**", Actions: []string{"pull", "push"}}, {Repository: "base/*", Actions: []string{"pull", "push"}}},
			"pull, push in team/**; pull, push in base/*"},
		{"all", "team/app", []authn.Bound{{Repository: "team/app", Actions: []string{"pull", "push", "delete"}}}, "pull, push, delete in team/app"},
	} {
		r := newRig(t)
		b := r.logIn()
		w := b.post("/tokens", b.form("do", "make", "name", "ci", "life", "30d", "good", tt.good, "repositories", tt.repositories))
		all, err := r.book.List(t.Context(), "alice")
		if err != nil || w.Code != http.StatusSeeOther || len(all) != 1 {
			t.Fatalf("make = %d, %v, %v\n%s", w.Code, all, err, w.Body)
		}
		if !reflect.DeepEqual(all[0].Within, tt.want) {
			t.Errorf("%s %q: within %v, want %v", tt.good, tt.repositories, all[0].Within, tt.want)
		}
		if page := b.get("/tokens").Body.String(); !strings.Contains(page, tt.shown) || (tt.shown == "") == strings.Contains(page, `class="dim for"`) {
			t.Errorf("%s %q: the page does not say what it is for:\n%s", tt.good, tt.repositories, page)
		}
	}
}

func TestFaultsInWhatItIsFor(t *testing.T) {
	r := newRig(t)
	b := r.logIn()
	for _, form := range [][3]string{
		{"admin", "", "Choose what the token is good for."},
		{"pull", "Team/*", "can match nothing"},
		{"pull", "team/[", "is no pattern"},
		{"pull", strings.Repeat("a ", 33), "33 bounds"},
	} {
		w := b.post("/tokens", b.form("do", "make", "name", "ci", "life", "30d", "good", form[0], "repositories", form[1]))
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), form[2]) || r.tokens() != 0 {
			t.Errorf("%q = %d\n%s", form, w.Code, w.Body)
		}
	}
}

// A refusing Revoker notes what it is to refuse, and may fail.
type refusing struct {
	families, subjects []string
	err                error
}

func (r *refusing) RevokeFamily(_ context.Context, ids ...string) error {
	r.families = append(r.families, ids...)
	return r.err
}

func (r *refusing) RevokeSubject(_ context.Context, account string) error {
	r.subjects = append(r.subjects, account)
	return r.err
}

// TestEverySecretOfAnAccountIsShown, also those that were made elsewhere, and
// each can be revoked, with what was given out for it.
func TestEverySecretOfAnAccountIsShown(t *testing.T) {
	r := newRig(t)
	by := &refusing{}
	r.pages.revoked, r.pages.held = by, 15*time.Minute
	b := r.logIn()
	b.makeToken("laptop")
	made := func(kind, name string) string {
		text, tok, err := r.book.Create(t.Context(), secret.Token{Kind: kind, Owner: "alice", Method: "github_auth", Name: name, Expires: r.clock.Now().Add(time.Hour)})
		if err != nil || text == "" {
			t.Fatal(err)
		}
		return tok.ID
	}
	robot, login := made(secret.Robot, "deploy"), made(secret.Refresh, "docker at 192.0.2.1")
	if _, err := r.book.Rotate(t.Context(), secret.Rotation{Owner: "alice", Name: "deploy", Keep: time.Hour}); err != nil {
		t.Fatal(err)
	}
	page := b.get("/tokens").Body.String()
	for _, want := range []string{"laptop", "Robots that act for you", "deploy", "has been replaced", "Logins of docker", "docker at 192.0.2.1"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q on\n%s", want, page)
		}
	}
	for _, id := range []string{robot, login} {
		b.post("/tokens", b.form("do", "revoke", "id", id))
	}
	if !slices.Equal(by.families, []string{robot, login}) || r.tokens() != 2 {
		t.Errorf("refused %v, and %d are left", by.families, r.tokens())
	}
	if page := b.get("/tokens").Body.String(); !strings.Contains(page, "What docker holds has ended with it.") {
		t.Errorf("not confirmed:\n%s", page)
	}
	by.err = errDown
	by.families = nil
	b.post("/tokens", b.form("do", "revoke-all"))
	// By their ids as well: whoever has shown one and waits for an answer would get something later.
	if !slices.Equal(by.subjects, []string{"alice"}) || len(by.families) != 2 || r.tokens() != 0 || !r.logged("what was given out for a token goes on until it expires") {
		t.Errorf("refused %v and %v, and %d are left", by.subjects, by.families, r.tokens())
	}
	if page := b.get("/tokens").Body.String(); !strings.Contains(page, "All your tokens are revoked. What docker holds ends within 15 minutes.") {
		t.Errorf("not confirmed:\n%s", page)
	}
}

// TestNobodyRevokesAnothers, nor is what is another's refused.
func TestNobodyRevokesAnothers(t *testing.T) {
	r := newRig(t)
	by := &refusing{}
	r.pages.revoked = by
	b := r.logIn()
	_, tok, err := r.book.Create(t.Context(), secret.Token{Kind: secret.Robot, Owner: "team-ci", Name: "deploy"})
	if err != nil {
		t.Fatal(err)
	}
	b.post("/tokens", b.form("do", "revoke", "id", tok.ID))
	if _, err := r.book.Get(t.Context(), tok.ID); err != nil || len(by.families) != 0 {
		t.Errorf("%v, and %v is refused", err, by.families)
	}
}
