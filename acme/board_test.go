package acme

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/regate/regate/acme/client"
	"github.com/regate/regate/internal/state"
)

// asked is what a CA gets to read at a gate, "" if nothing.
func asked(c *client.Challenges, host, token string) string {
	w := httptest.NewRecorder()
	if !c.ServeHTTP01(w, httptest.NewRequest(http.MethodGet, "/.well-known/acme-challenge/"+token, nil), host) {
		return ""
	}
	return w.Body.String()
}

func questionOf(host, token string) acme.Challenge {
	return acme.Challenge{
		Type: acme.ChallengeTypeHTTP01, Token: token, KeyAuthorization: token + ".print",
		Identifier: acme.Identifier{Type: "dns", Value: host},
	}
}

// TestAnyGateAnswers: a question that one gate has put up is answered by
// another until it is taken down, and then by nobody.
func TestAnyGateAnswers(t *testing.T) {
	t.Parallel()
	b := &board{store: openStore(t), log: zap.NewNop()}
	asks, answers := client.NewShared(b), client.NewShared(b)
	go b.run(t.Context(), answers)
	solver := asks.Solvers(challengeHTTP)[challengeHTTP]
	one, two := questionOf("a.example.com", "one"), questionOf("a.example.com", "two")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	until := func(token, want string) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); asked(answers, "a.example.com", token) != want; {
			if time.Now().After(deadline) {
				t.Fatalf("the question %q is answered %q, want %q", token, asked(answers, "a.example.com", token), want)
			}
			time.Sleep(time.Millisecond) // between two looks
		}
	}
	must(solver.Present(t.Context(), one))
	until("one", "one.print")
	must(solver.Present(t.Context(), two)) // of the next attempt, before the first has ended
	must(solver.CleanUp(t.Context(), one))
	until("two", "two.print")
	until("one", "")
	must(solver.CleanUp(t.Context(), two))
	until("two", "")
	must(solver.CleanUp(t.Context(), two))
	for e := range b.store.List(t.Context(), boardArea) {
		t.Errorf("%s is left", e.Key)
	}
}

// TestUnreadableQuestionHidesNoOther, as one of a newer gate may be, or one that
// no gate has put up.
func TestUnreadableQuestionHidesNoOther(t *testing.T) {
	t.Parallel()
	st := openStore(t)
	key, err := state.NewKey([32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	core, said := observer.New(zap.WarnLevel)
	b := &board{store: state.Seal(st, key, "tls"), log: zap.New(core)}
	for host, store := range map[string]state.Store{"a.example.com": b.store, "0.example.com": st} {
		if _, err := store.Put(t.Context(), boardKey(host), []byte("?"), state.PutOpts{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Post(t.Context(), "b.example.com", questionOf("b.example.com", "one")); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if all, err := b.read(t.Context()); err != nil || len(all) != 1 || all[0].Token != "one" {
			t.Errorf("read() = %v, %v", all, err)
		}
	}
	if n := said.Len(); n != 2 {
		t.Errorf("%d lines about two questions that cannot be read: %v", n, said.All())
	}
}

// A hasty store has another gate ask between a look at a question and its end.
type hasty struct {
	state.Store
	then func()
}

func (h hasty) Get(ctx context.Context, key string) (state.Value, error) {
	val, err := h.Store.Get(ctx, key)
	h.then()
	return val, err
}

// TestRemoveOvertaken: that a later order asks by now is no trouble.
func TestRemoveOvertaken(t *testing.T) {
	t.Parallel()
	st, host := openStore(t), "a.example.com"
	later := &board{store: st, log: zap.NewNop()}
	b := &board{store: hasty{st, func() {
		if err := later.Post(t.Context(), host, questionOf(host, "two")); err != nil {
			t.Error(err)
		}
	}}, log: zap.NewNop()}
	if err := b.Post(t.Context(), host, questionOf(host, "one")); err != nil {
		t.Fatal(err)
	}
	if err := b.Remove(t.Context(), host, questionOf(host, "one")); err != nil {
		t.Errorf("Remove() = %v", err)
	}
	if all, err := later.read(t.Context()); err != nil || len(all) != 1 || all[0].Token != "two" {
		t.Errorf("what is left is %v, %v; want the question of the later order", all, err)
	}
}
