package browser

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/idp"
	"github.com/regate/regate/internal/state"
)

func TestWithoutRefreshTheLoginEnds(t *testing.T) {
	r := newRig(t)
	p := alice()
	p.Refresh = ""
	r.enters(p)
	r.clock.pass(30*24*time.Hour - time.Second)
	r.finds("web", nil)
	r.clock.pass(time.Second)
	if _, err := r.people.present(t.Context(), "alice", "id-1"); !errors.Is(err, authn.ErrUnknownUser) {
		t.Errorf("the session of a login that has ended: %v", err)
	}
	r.finds("", authn.ErrUnknownUser)
	r.asked(0)
	if r.tokens() != 0 {
		t.Error("a token has outlived its login")
	}
}

// TestOldTokensStayDead: the login had ended, and nobody had noticed, when the
// person came again.
func TestOldTokensStayDead(t *testing.T) {
	r := newRig(t)
	p := alice()
	p.Refresh = ""
	r.enters(p)
	r.clock.pass(31 * 24 * time.Hour)
	if err := r.people.enter(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if r.tokens() != 0 {
		t.Error("a token of the login before is good again")
	}
}

// TestForgottenLoginLeavesNoTokens: the state does not remember for ever who
// had a name. Tokens that can be good for longer were that person's, and not
// those of whoever is given the name next.
func TestForgottenLoginLeavesNoTokens(t *testing.T) {
	r := newRig(t)
	p := alice()
	p.Refresh = ""
	r.enters(p)
	if err := r.store.Delete(t.Context(), r.people.key("alice"), 0); err != nil { // as its time was over
		t.Fatal(err)
	}
	next := alice()
	next.Subject = "id-2"
	if err := r.people.enter(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if r.tokens() != 0 {
		t.Error("a token of whoever had the name before is good for the one who has it now")
	}
}

// TestAnotherProviderInItsPlace: the section of the configuration names another
// server now, where other people have the same names and numbers.
func TestAnotherProviderInItsPlace(t *testing.T) {
	for _, refresh := range []authn.Secret{"", "refresh-1"} {
		r := newRig(t)
		p := alice()
		p.Refresh = refresh
		r.github.issuer = "https://one.test"
		r.enters(p)
		r.github.issuer = "https://two.test"
		r.finds("", authn.ErrUnknownUser)
		r.clock.pass(2 * time.Hour)
		r.finds("", authn.ErrUnknownUser)
		r.asked(0) // what the one has given is not shown to the other
		if _, err := r.people.Authenticate(t.Context(), authn.Credentials{Account: "alice", Password: "p"}); errors.Is(err, authn.ErrWrongPassword) {
			t.Error("the name is kept from others")
		}
		r.github.issuer = "https://one.test" // it was a slip of the hand
		r.finds("web", nil)
		r.github.issuer = "https://two.test"
		p.Refresh = ""
		if err := r.people.enter(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		l, err := r.people.read(t.Context(), "alice")
		if err != nil || l.Refresh != "" || l.Issuer != "https://two.test" || r.tokens() != 0 {
			t.Errorf("login at the other = %+v, %v, with %d tokens", l, err, r.tokens())
		}
	}
}

func TestLoginAgain(t *testing.T) {
	r := newRig(t)
	r.enters(alice())
	again := alice()
	again.Refresh = "" // as Google does
	r.clock.pass(time.Minute)
	if err := r.people.enter(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	l, err := r.people.read(t.Context(), "alice")
	if err != nil || l.Refresh != "refresh-1" || r.tokens() != 1 {
		t.Errorf("login = %+v, %v, with %d tokens", l, err, r.tokens())
	}
	stranger := alice()
	stranger.Subject, stranger.Refresh = "id-2", ""
	if err := r.people.enter(t.Context(), stranger); err != nil {
		t.Fatal(err)
	}
	l, err = r.people.read(t.Context(), "alice")
	if err != nil || l.Refresh != "" || l.Subject != "id-2" || r.tokens() != 0 {
		t.Errorf("login of whoever has taken over the name = %+v, %v, with %d tokens", l, err, r.tokens())
	}
}

// TestNamesBelongToWhoeverHasThemFirst is about names of the file.
func TestNamesBelongToWhoeverHasThemFirst(t *testing.T) {
	r := newRig(t)
	r.enters(alice())
	r.before["alice"] = nil // was added to the file afterwards
	r.finds("", authn.ErrUnknownUser)
	if err := r.people.enter(t.Context(), alice()); !errors.Is(err, errTaken) {
		t.Errorf("enter() = %v", err)
	}
	r.before["alice"] = errDown
	r.finds("", errDown)
	if err := r.people.enter(t.Context(), alice()); !errors.Is(err, errDown) {
		t.Errorf("enter() = %v", err)
	}
	delete(r.before, "alice")
	r.finds("web", nil)
	if err := r.others.enter(t.Context(), alice()); !errors.Is(err, errTaken) {
		t.Errorf("enter() by the second provider = %v", err)
	}
}

// A watched store tells how long its values live, and may be meddled with
// before one of them is written.
type watched struct {
	state.Store
	lives  []time.Duration
	meddle func()
}

func (w *watched) Put(ctx context.Context, key string, val []byte, o state.PutOpts) (uint64, error) {
	if meddle := w.meddle; meddle != nil {
		w.meddle = nil
		meddle()
	}
	w.lives = append(w.lives, o.TTL)
	return w.Store.Put(ctx, key, val, o)
}

// TestStateKeepsLogins: for ever where the provider says when one ends, and
// elsewhere for long enough to see that it has ended.
func TestStateKeepsLogins(t *testing.T) {
	for refresh, want := range map[authn.Secret]time.Duration{"refresh-1": 0, "": 60 * 24 * time.Hour} {
		r := newRig(t)
		w := &watched{Store: r.store}
		r.people.store = w
		p := alice()
		p.Refresh = refresh
		r.enters(p)
		if len(w.lives) != 1 || w.lives[0] != want {
			t.Errorf("with %q, a login lives %v, want %v", refresh.Reveal(), w.lives, want)
		}
	}
}

// TestLoginWhileTheProviderIsAsked: it brings no refresh token, as some give one
// only with consent, and goes on with the one that is being spent. The next one
// is not lost.
func TestLoginWhileTheProviderIsAsked(t *testing.T) {
	r := newRig(t)
	r.enters(alice())
	again := alice()
	again.Refresh = ""
	r.github.renew = func(_ string, refresh authn.Secret) (idp.Person, error) {
		p := alice()
		p.Refresh = refresh + "+"
		return p, r.people.enter(t.Context(), again)
	}
	r.clock.pass(time.Hour)
	r.finds("web", nil)
	if l, err := r.people.read(t.Context(), "alice"); err != nil || l.Refresh != "refresh-1+" || l.Since != r.clock.Now().Unix() {
		t.Errorf("login = %+v, %v", l, err)
	}
	again.Subject = "id-2" // a stranger, who gets nothing of alice's, nor alice of theirs
	r.clock.pass(time.Hour)
	r.finds("", authn.ErrUnknownUser)
	if l, err := r.people.read(t.Context(), "alice"); err != nil || l.Refresh != "" || l.Subject != "id-2" {
		t.Errorf("login of a stranger = %+v, %v", l, err)
	}
}

// TestTwoLoginsAtOnce: in two browsers, at two gates. Both are good, and none
// writes over a refresh token that it has not seen.
func TestTwoLoginsAtOnce(t *testing.T) {
	r := newRig(t)
	w := &watched{Store: r.store}
	other := NewPeople(PeopleParts{Method: r.people.method, Store: r.store, Book: r.book, Now: r.clock.Now})
	w.meddle = func() {
		if err := other.enter(t.Context(), alice()); err != nil {
			t.Error(err)
		}
	}
	r.people.store = w
	p := alice()
	p.Refresh = "" // as a provider that gives one at the first login only
	if err := r.people.enter(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if l, err := r.people.read(t.Context(), "alice"); err != nil || l.Refresh != "refresh-1" {
		t.Errorf("login = %+v, %v", l, err)
	}
}
