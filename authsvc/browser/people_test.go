package browser

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/idp"
	"github.com/regate/regate/authsvc/secret"
	"github.com/regate/regate/internal/state"
)

// enters logs a person in without a browser, with a token to lose.
func (r *rig) enters(p idp.Person) {
	r.t.Helper()
	if err := r.people.enter(r.t.Context(), p); err != nil {
		r.t.Fatal(err)
	}
	if _, _, err := r.book.Create(r.t.Context(), secret.Token{Kind: secret.Personal, Owner: p.Account, Method: "github_auth", Name: "t"}); err != nil {
		r.t.Fatal(err)
	}
}

// finds fails unless alice is found with that team, or the error is want.
func (r *rig) finds(team string, want error) {
	r.t.Helper()
	id, err := r.people.Find(r.t.Context(), "alice")
	if !errors.Is(err, want) || err == nil && (id.Account != "alice" || len(id.Labels["teams"]) != 1 || id.Labels["teams"][0].Value != team) {
		r.t.Errorf("Find() = %v, %v; want %q, %v", id, err, team, want)
	}
	if want != nil && (id.Account != "" || id.Labels != nil) {
		r.t.Errorf("Find() = %v beside %v", id, err)
	}
}

// asked fails unless the provider was asked so often by now.
func (r *rig) asked(want int64) {
	r.t.Helper()
	if got := r.github.renewed.Load(); got != want {
		r.t.Errorf("the provider was asked %d times, want %d", got, want)
	}
}

func TestFindAsksWhenItIsDue(t *testing.T) {
	r := newRig(t)
	r.finds("", authn.ErrUnknownUser)
	r.enters(alice())
	r.finds("web", nil)
	r.github.set(func(f *fake) { f.person.Labels = authn.Labels{"teams": {{Value: "ops"}}} })
	r.clock.pass(time.Hour - time.Second)
	r.finds("web", nil)
	r.asked(0)
	r.clock.pass(time.Second)
	r.finds("ops", nil)
	r.finds("ops", nil)
	r.asked(1)
	r.clock.pass(200 * 24 * time.Hour) // nobody has used a token since
	r.finds("ops", nil)
	r.asked(2)
}

func TestClearNoEndsTheLoginAndItsTokens(t *testing.T) {
	for name, say := range map[string]func(string, authn.Secret) (idp.Person, error){
		"a refusal": func(string, authn.Secret) (idp.Person, error) {
			return idp.Person{}, &idp.Refusal{Msg: "you are not in acme"}
		},
		"wrapped": func(string, authn.Secret) (idp.Person, error) {
			return idp.Person{}, fmt.Errorf("x: %w", &idp.Refusal{Msg: "no"})
		},
		"another name": func(string, authn.Secret) (idp.Person, error) {
			return idp.Person{Account: "bob", Subject: "id-1"}, nil
		},
		"another person": func(string, authn.Secret) (idp.Person, error) {
			return idp.Person{Account: "alice", Subject: "id-2"}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.enters(alice())
			if _, _, err := r.book.Create(t.Context(), secret.Token{Kind: secret.Personal, Owner: "alice", Method: "oidc_auth/okta"}); err != nil {
				t.Fatal(err)
			}
			r.github.renew = say
			r.clock.pass(time.Hour)
			r.finds("", authn.ErrUnknownUser)
			if got := r.tokens(); got != 1 {
				t.Errorf("%d tokens are left, want the one of another method", got)
			}
			r.finds("", authn.ErrUnknownUser)
			r.asked(1)
			if !r.logged("login ended") || !r.logged("tokens revoked") {
				t.Error("no line in the log")
			}
		})
	}
}

func TestProviderThatIsDown(t *testing.T) {
	r := newRig(t)
	r.enters(alice())
	r.github.set(func(f *fake) { f.down = errDown })
	r.clock.pass(time.Hour)
	for range 5 {
		r.finds("web", nil)
	}
	r.asked(1) // and is left alone for a while
	r.clock.pass(askAgain + time.Second)
	r.finds("web", nil)
	r.asked(2)
	r.clock.pass(23*time.Hour - time.Minute)
	r.finds("web", nil)
	r.clock.pass(time.Minute)
	for range 5 {
		r.finds("", errDown)
	}
	if _, err := r.people.Find(t.Context(), "alice"); errors.Is(err, authn.ErrUnknownUser) {
		t.Errorf("a provider that is down refuses: %v", err)
	}
	if r.tokens() != 1 {
		t.Error("a provider that is down costs a token")
	}
	r.github.set(func(f *fake) { f.down = nil })
	r.clock.pass(askAgain + time.Second)
	r.finds("web", nil)
}

func TestSlowProviderHoldsNobodyUp(t *testing.T) {
	r := newRig(t)
	r.enters(alice())
	asked, answer := make(chan struct{}), make(chan struct{})
	r.github.renew = func(string, authn.Secret) (idp.Person, error) {
		close(asked)
		<-answer
		p := alice()
		p.Refresh, p.Labels = "refresh-2", authn.Labels{"teams": {{Value: "ops"}}}
		return p, nil
	}
	r.clock.pass(time.Hour)
	gone, leave := context.WithCancel(t.Context())
	left := make(chan struct{})
	go func() { defer close(left); _, _ = r.people.Find(gone, "alice") }()
	<-asked
	leave() // whoever has asked does not wait
	<-left
	r.finds("web", nil) // another waits for a little
	close(answer)
	r.eventually("the answer is kept", func() bool {
		l, err := r.people.read(t.Context(), "alice")
		return err == nil && l.Refresh == "refresh-2"
	})
	r.finds("ops", nil)
	r.asked(1)
}

// eventually waits for what another goroutine does.
func (r *rig) eventually(what string, done func() bool) {
	r.t.Helper()
	for begin := time.Now(); !done(); time.Sleep(time.Millisecond) {
		if time.Since(begin) > 20*time.Second {
			r.t.Fatalf("waited in vain: %s", what)
		}
	}
}

// TestRotation: a provider that gives another refresh token each time, and
// takes each once. Two gates use the token of one person at the same moment.
func TestRotation(t *testing.T) {
	r := newRig(t)
	r.enters(alice())
	n := 1
	r.github.renew = func(_ string, refresh authn.Secret) (idp.Person, error) { // the fake is locked meanwhile
		if refresh.Reveal() != fmt.Sprint("refresh-", n) {
			return idp.Person{}, &idp.Refusal{Msg: "this refresh token was used before"}
		}
		n++
		p := alice()
		p.Refresh = authn.Secret(fmt.Sprint("refresh-", n))
		return p, nil
	}
	parts := PeopleParts{Method: r.people.method, Store: r.store, Book: r.book, Now: r.clock.Now}
	gates := []*People{r.people, NewPeople(parts), NewPeople(parts)}
	for range 10 {
		r.clock.pass(time.Hour)
		done := make(chan error)
		for i := range 12 {
			go func() { _, err := gates[i%len(gates)].Find(t.Context(), "alice"); done <- err }()
		}
		for range 12 {
			if err := <-done; err != nil {
				t.Errorf("Find() = %v", err)
			}
		}
	}
	r.asked(10)
	if r.tokens() != 1 {
		t.Error("the token was revoked")
	}
}

// TestRotatedAndThenDown: the provider takes the refresh token, gives the next
// one, and cannot say more. The next one is the only one that is good.
func TestRotatedAndThenDown(t *testing.T) {
	r := newRig(t)
	r.enters(alice())
	good := authn.Secret("refresh-1")
	r.github.renew = func(_ string, refresh authn.Secret) (idp.Person, error) {
		if refresh != good {
			return idp.Person{}, &idp.Refusal{Msg: "this refresh token was used before"}
		}
		good += "+"
		if refresh == "refresh-1" {
			return idp.Person{Refresh: good}, errors.New("groups cannot be had")
		}
		p := alice()
		p.Refresh = good
		return p, nil
	}
	r.clock.pass(time.Hour)
	r.finds("web", nil) // as of the last answer
	r.clock.pass(time.Hour)
	r.finds("web", nil)
	r.asked(2)
	if r.tokens() != 1 {
		t.Error("the token was revoked")
	}
}

// TestNobodyAsksTwice: another gate had the answer while this one was about to ask.
func TestNobodyAsksTwice(t *testing.T) {
	r := newRig(t)
	r.enters(alice())
	r.clock.pass(time.Hour)
	for range 2 {
		if l, err := r.people.ask(t.Context(), "alice"); err != nil || l.Subject != "id-1" {
			t.Errorf("ask() = %+v, %v", l, err)
		}
	}
	r.asked(1)
}

func TestAuthenticateLetsNobodyIn(t *testing.T) {
	r := newRig(t)
	r.enters(alice())
	for account, want := range map[string]error{"alice": authn.ErrWrongPassword, "bob": authn.ErrUnknownUser, "": authn.ErrUnknownUser, "Alice": authn.ErrUnknownUser} {
		id, err := r.people.Authenticate(t.Context(), authn.Credentials{Account: account, Password: "p"})
		if !errors.Is(err, want) || id.Account != "" {
			t.Errorf("Authenticate(%q) = %v, %v", account, id, err)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.people.Authenticate(gone, authn.Credentials{Account: "alice"}); errors.Is(err, authn.ErrWrongPassword) || errors.Is(err, authn.ErrUnknownUser) {
		t.Errorf("Authenticate() without the state = %v", err)
	}
}

func TestAccountsSurviveTheState(t *testing.T) {
	r := newRig(t)
	var keys []string
	for _, account := range []string{"a/b", "a/../b", "..", "%2F", "ä ö", "a@b.c", "{x}:y", "A", "a"} {
		p := alice()
		p.Account = account
		r.enters(p)
		if id, err := r.people.Find(t.Context(), account); err != nil || id.Account != account {
			t.Errorf("Find(%q) = %v, %v", account, id, err)
		}
	}
	for e, err := range r.store.List(t.Context(), sealedArea) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(e.Key, "/") != 2 {
			t.Errorf("key %q", e.Key)
		}
		keys = append(keys, e.Key)
	}
	if len(keys) != 9 {
		t.Errorf("keys %q", keys)
	}
}

func TestBrokenRecordIsNoRefusal(t *testing.T) {
	r := newRig(t)
	r.enters(alice())
	if _, err := r.store.Put(t.Context(), r.people.key("alice"), []byte("{"), state.PutOpts{}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.people.Find(t.Context(), "alice"); err == nil || errors.Is(err, authn.ErrUnknownUser) {
		t.Errorf("Find() = %v", err)
	}
}
