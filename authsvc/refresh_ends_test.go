package authsvc

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/secret"
	"github.com/regate/regate/authsvc/token"
	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/internal/state"
)

// TestRefreshEndsWithoutUse, and not while it is used.
func TestRefreshEndsWithoutUse(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  token.Refresh
		days []int // after the login
		want string
	}{
		"used":                 {token.Refresh{}, []int{1, 20, 49, 78, 107}, webScope},
		"just in time":         {token.Refresh{}, []int{29}, webScope},
		"too late":             {token.Refresh{}, []int{31}, "401"},
		"used, then too late":  {token.Refresh{}, []int{20, 51}, "401"},
		"used for too long":    {token.Refresh{Max: 60 * 24 * time.Hour}, []int{20, 40, 59, 61}, "401"},
		"a short life is used": {token.Refresh{Life: 48 * time.Hour}, []int{1, 2, 3, 4}, webScope},
		"a short life is over": {token.Refresh{Life: 48 * time.Hour}, []int{1, 4}, "401"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRefreshRig(t)
			r.parts.Config.Refresh = tt.cfg
			r.restart(t)
			text, start, got := r.logIn(t, "dev", "dev secret"), r.Now(), ""
			for _, day := range tt.days {
				r.set(start.AddDate(0, 0, day))
				if got = r.refreshed(t, text); got == webScope {
					r.noted(t, "dev", r.Now())
				}
			}
			if got != tt.want {
				t.Errorf("in the end: %s, want %s", got, tt.want)
			}
		})
	}
}

// noted waits until the use of the only secret of an account is.
func (r *refreshRig) noted(t *testing.T, owner string, at time.Time) {
	t.Helper()
	for limit := time.Now().Add(10 * time.Second); time.Now().Before(limit); time.Sleep(time.Millisecond) {
		all, err := r.book.List(t.Context(), owner)
		if err != nil || len(all) != 1 {
			t.Fatalf("List() = %v, %v", all, err)
		}
		if all[0].Used.Unix() == at.Unix() {
			return
		}
	}
	t.Fatal("the use was not noted")
}

// TestShorterLifeEndsWhatIsOlder.
func TestShorterLifeEndsWhatIsOlder(t *testing.T) {
	r := newRefreshRig(t)
	text := r.logIn(t, "dev", "dev secret")
	r.set(r.Now().AddDate(0, 0, 3))
	r.parts.Config.Refresh.Life = 48 * time.Hour
	r.restart(t)
	if got := r.refreshed(t, text); got != "401" {
		t.Errorf("unused for three days, with a life of two: %s", got)
	}
}

// TestRevokedRefresh: the family, the account and the record, each of them.
func TestRevokedRefresh(t *testing.T) {
	for name, revoke := range map[string]func(t *testing.T, r *refreshRig, id string) error{
		"family": func(t *testing.T, r *refreshRig, id string) error { return r.access.RevokeFamily(t.Context(), id) },
		"subject": func(t *testing.T, r *refreshRig, id string) error {
			_, err := r.book.RevokeAll(t.Context(), "dev", "")
			return errors.Join(err, r.access.RevokeSubject(t.Context(), "dev"))
		},
		"record": func(t *testing.T, r *refreshRig, id string) error { return r.book.Revoke(t.Context(), "dev", id) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRefreshRig(t)
			text, others := r.logIn(t, "dev", "dev secret"), r.logIn(t, "alice", "pw")
			id := text[len(secret.Prefix) : len(secret.Prefix)+14]
			_, body := r.ask(t, refreshing(text, "registry.test"))
			enter := func() string {
				_, err := r.door.Authorize(t.Context(), oci.Shown{Authorization: oci.NewSecret("Bearer " + body["token"].(string))}, needs(webScope))
				return refused(err)
			}
			if got := enter(); got != "no refusal: <nil>" {
				t.Fatalf("before: %s", got)
			}
			if err := revoke(t, r, id); err != nil {
				t.Fatal(err)
			}
			if got := r.refreshed(t, text); got != "401" {
				t.Errorf("the refresh token: %s", got)
			}
			r.reopen(t)
			want := "invalid_token: token was revoked"
			if name == "record" { // the token has its minutes
				want = "no refusal: <nil>"
			}
			if got := enter(); got != want {
				t.Errorf("the token: %s, want %s", got, want)
			}
			if got := r.refreshed(t, others); got != "" {
				t.Errorf("of another account: %s", got)
			}
		})
	}
}

// TestRevokedFamilyOfWhatIsThere: a secret that is in the state still, of any
// kind, is good for nothing, here and where it comes along with a request.
func TestRevokedFamilyOfWhatIsThere(t *testing.T) {
	r := newRefreshRig(t)
	r.service.users = NewPersonal(r.book, r.parts.Vouchers, r.login)
	text, made, err := r.book.Create(t.Context(), secret.Token{Kind: secret.Personal, Owner: "dev", Method: "users", Name: "laptop"})
	if err != nil {
		t.Fatal(err)
	}
	ask := func() string {
		return said(r.ask(t, shown{method: "GET", query: "scope=" + webScope, basic: "dev:" + text.Reveal()}))
	}
	enter := func() string {
		_, err := r.door.Authorize(t.Context(), oci.Shown{Authorization: oci.NewSecret(basic("dev:" + text.Reveal()))}, needs(webScope))
		return refused(err)
	}
	if got := ask() + enter(); got != webScope+"no refusal: <nil>" {
		t.Fatalf("before: %s", got)
	}
	if err := r.access.RevokeFamily(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	if got := ask() + enter(); got != "401: access was revoked" {
		t.Errorf("after: %s", got)
	}
}

// TestTokenOfALoginIsOfItsFamily: the very first one, too.
func TestTokenOfALoginIsOfItsFamily(t *testing.T) {
	r := newRefreshRig(t)
	_, body := r.ask(t, shown{method: "GET", query: "offline_token=true&scope=" + webScope, basic: "dev:dev secret"})
	id := body["refresh_token"].(string)[len(secret.Prefix):][:14]
	if err := r.access.RevokeFamily(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	r.reopen(t)
	_, err := r.door.Authorize(t.Context(), oci.Shown{Authorization: oci.NewSecret("Bearer " + body["token"].(string))}, needs(webScope))
	if got := refused(err); got != "invalid_token: token was revoked" {
		t.Errorf("Authorize() = %s", got)
	}
	if lines := r.logs.FilterMessage("token issued").FilterField(zap.String("family", id)).Len(); lines != 1 {
		t.Errorf("%d lines of the log name the family", lines)
	}
}

// TestOwnerIsLookedUpAgain: at most every quarter of an hour, the labels are new
// then, and without the owner the family ends for good.
func TestOwnerIsLookedUpAgain(t *testing.T) {
	r := newRefreshRig(t)
	text := r.logIn(t, "alice", "pw")
	r.grantLabels()
	r.ldap.asked.Store(0)
	for _, step := range []struct {
		name  string
		after time.Duration
		do    func()
		want  string
		asked int64
	}{
		{"at first", 0, nil, webScope, 1},
		{"within a quarter of an hour", recheck - time.Second, nil, webScope, 0},
		{"of another team, which is not seen yet", 0, func() { r.ldap.accounts["alice"] = team("shop") }, webScope, 0},
		{"and is seen", time.Second, nil, "", 1},
		{"back in it", recheck, func() { r.ldap.accounts["alice"] = team("web") }, webScope, 1},
		{"gone, which is not seen yet", 0, func() { delete(r.ldap.accounts, "alice") }, webScope, 0},
		{"and is seen", recheck, nil, "401", 1},
		{"back again, as somebody else perhaps", recheck, func() { r.ldap.accounts["alice"] = team("web") }, "401", 0},
	} {
		r.set(r.Now().Add(step.after))
		if step.do != nil {
			step.do()
		}
		for range 2 {
			if got := r.refreshed(t, text); got != step.want {
				t.Errorf("%s: %s, want %s", step.name, got, step.want)
			}
		}
		if got := r.ldap.asked.Swap(0); got != step.asked {
			t.Errorf("%s: asked %d times, want %d", step.name, got, step.asked)
		}
	}
	if n := r.logs.FilterMessage("a login has ended with its account").Len(); n != 1 {
		t.Errorf("its end is logged %d times", n)
	}
}

// grantLabels has the rules let everybody into what is of their team.
func (r *refreshRig) grantLabels() {
	r.outside = func(a acl.Ask) (oci.Actions, bool, error) {
		for _, l := range a.Identity.Labels["team"] {
			if strings.HasPrefix(a.Want.Name, l.Value+"/") {
				return a.Want.Actions, true, nil
			}
		}
		return 0, false, nil
	}
}

// TestDirectoryIsDown: for a day its accounts go on as they were. Who is not
// known here waits, and is not turned away.
func TestDirectoryIsDown(t *testing.T) {
	r := newRefreshRig(t)
	r.grantLabels()
	text, later := r.logIn(t, "alice", "pw"), r.logIn(t, "alice", "pw")
	if got := r.refreshed(t, text); got != webScope {
		t.Fatal(got)
	}
	r.ldap.down = errDown
	start := r.Now()
	for _, step := range []struct {
		after time.Duration
		want  string
	}{{time.Minute, webScope}, {recheck + time.Second, webScope}, {kept - time.Second, webScope}, {kept + time.Second, "503, later"}} {
		r.set(start.Add(step.after))
		for range 3 {
			if got := r.refreshed(t, text); got != step.want {
				t.Errorf("%v down: %s, want %s", step.after, got, step.want)
			}
		}
	}
	r.ldap.down = nil
	r.set(r.Now().Add(time.Hour))
	if got := r.refreshed(t, text); got != webScope {
		t.Errorf("up again: %s", got)
	}
	r.ldap.down = errDown
	r.restart(t)
	if got := r.refreshed(t, later); got != "503, later" { // without labels a rule that denies could be missed
		t.Errorf("down, and nothing is known of the account: %s", got)
	}
	if got := r.refreshed(t, r.logIn(t, "dev", "dev secret")); got != webScope {
		t.Errorf("an account of the file: %s", got)
	}
}

// TestAccountOfAProgram is as it was at the login, for a day.
func TestAccountOfAProgram(t *testing.T) {
	r := newRefreshRig(t)
	r.grantLabels()
	start, text := r.Now(), r.logIn(t, "bob", "pw")
	r.ext.down = errDown // nobody asks it
	for _, step := range []struct {
		after time.Duration
		want  string
	}{{time.Hour, webScope}, {23 * time.Hour, webScope}, {25 * time.Hour, "401"}} {
		r.set(start.Add(step.after))
		r.restart(t)
		if got := r.refreshed(t, text); got != step.want {
			t.Errorf("after %v: %s, want %s", step.after, got, step.want)
		}
	}
	if r.ext.asked.Load() != 1 {
		t.Errorf("the program is asked %d times", r.ext.asked.Load())
	}
}

// noPut is a store that cannot be written.
type noPut struct{ state.Store }

func (noPut) Put(context.Context, string, []byte, state.PutOpts) (uint64, error) { return 0, errDown }

// TestHalfARefreshTokenIsNone: one without the labels that belong to it.
func TestHalfARefreshTokenIsNone(t *testing.T) {
	r := newRefreshRig(t)
	r.parts.Labels = token.NewLabels(noPut{r.store})
	r.restart(t)
	if got, left := r.logIn(t, "bob", "pw"), r.records(t); got != "" || len(left) != 0 {
		t.Errorf("%q is given, %q is left", got, left)
	}
}

// TestNameThatSomebodyElseHasNow: of two who vouch for the same name, one is not
// good for the tokens of the other.
func TestNameThatSomebodyElseHasNow(t *testing.T) {
	r := newRefreshRig(t)
	r.grantLabels()
	alice, bob := r.logIn(t, "alice", "pw"), r.logIn(t, "bob", "pw")
	before := &directory{accounts: map[string]authn.Labels{}}
	after := &directory{accounts: map[string]authn.Labels{"alice": team("web"), "bob": team("web")}}
	all := r.known
	r.known = append(append([]Voucher{{Key: "before", Finder: before}}, all...), Voucher{Key: "after", Finder: after})
	r.restart(t)
	check := func(name, wantAlice, wantBob string) {
		t.Helper()
		if a, b := r.refreshed(t, alice), r.refreshed(t, bob); a != wantAlice || b != wantBob {
			t.Errorf("%s: alice %s, bob %s; want %s, %s", name, a, b, wantAlice, wantBob)
		}
	}
	check("others have the names, who come later", webScope, webScope)
	before.accounts["alice"], before.accounts["bob"] = team("web"), team("web")
	check("others have the names, who come before", "401", "401")
	r.known = append(all[:1:1], all[2])
	r.restart(t)
	check("the directory is not there any more", "401", webScope)
}

// TestStateIsDown: whoever shows a refresh token waits, and whoever shows a
// password is let in, but is given nothing to keep instead.
func TestStateIsDown(t *testing.T) {
	r := newRefreshRig(t)
	text := r.logIn(t, "dev", "dev secret")
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	if got := r.refreshed(t, text); got != "503, later" {
		t.Errorf("a refresh token: %s", got)
	}
	w, body := r.ask(t, shown{method: "GET", query: "scope=" + webScope, basic: ":" + text})
	if got := said(w, body); got != "503, later" {
		t.Errorf("containerd's fallback: %s", got)
	}
	if got := r.logIn(t, "dev", "dev secret"); got != "" {
		t.Errorf("a login is given %s", got)
	}
}

// TestClientsWithoutNumber: more of one account than can be log in all the same.
func TestClientsWithoutNumber(t *testing.T) {
	r := newRefreshRig(t)
	first := r.logIn(t, "dev", "dev secret")
	for range secret.MostRefresh - 1 {
		r.set(r.Now().Add(time.Second))
		if r.logIn(t, "dev", "dev secret") == "" {
			t.Fatal("a client gets no refresh token")
		}
	}
	if r.logIn(t, "dev", "dev secret") != "" || r.refreshed(t, first) != webScope {
		t.Error("a client that is at work made room for another")
	}
	r.set(r.Now().Add(25 * time.Hour))
	if r.logIn(t, "dev", "dev secret") == "" || r.refreshed(t, first) != "401" {
		t.Error("a client that was not seen for a day makes no room for another")
	}
	if r.logIn(t, "admin", "admin secret") == "" {
		t.Error("another account is out of room")
	}
}
