package secret

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/authn"
)

var month = Terms{Life: 30 * day}

// logIn makes a refresh token.
func (r *rig) logIn(t testing.TB, owner string, d Terms) (authn.Secret, Token) {
	t.Helper()
	text, tok, err := r.CreateRefresh(t.Context(), Token{Owner: owner, Method: "users", Name: "docker", Service: "registry"}, d)
	if err != nil {
		t.Fatal(err)
	}
	return text, tok
}

// refreshes shows a refresh token, as a client does, and lets Run note it.
func (r *rig) refreshes(t testing.TB, text authn.Secret, d Terms) (Token, error) {
	t.Helper()
	tok, err := r.VerifyRefresh(t.Context(), text, d)
	if err == nil {
		r.Extend(tok, d)
	}
	for len(r.used) > 0 {
		r.noteNow(t.Context(), <-r.used)
	}
	return tok, err
}

func TestCreateRefresh(t *testing.T) {
	r := newRig(t)
	for _, owner := range oddOwners {
		text, made := r.logIn(t, owner, month)
		want := Token{
			ID: made.ID, Kind: Refresh, Owner: owner, Method: "users", Name: "docker", Service: "registry",
			Created: r.Now(), Used: r.Now(), Expires: r.Now().Add(30 * day),
		}
		got, err := r.refreshes(t, text, month)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) || fmt.Sprint(made) != fmt.Sprint(want) {
			t.Errorf("VerifyRefresh() = %+v, %v; want %+v", got, err, want)
		}
		if ids := r.ids(t, owner); !slices.Equal(ids, []string{made.ID}) {
			t.Errorf("%q has %q", owner, ids)
		}
	}
	if _, _, err := r.CreateRefresh(t.Context(), Token{Kind: Refresh}, month); err == nil {
		t.Error("one without an owner was made")
	}
	personal, _ := r.make(t, "alice", "m")
	if _, err := r.VerifyRefresh(t.Context(), personal, month); !errors.Is(err, ErrUnknown) {
		t.Errorf("a personal token is one: %v", err)
	}
}

func TestTermsEnd(t *testing.T) {
	made := time.Unix(1800000000, 0)
	for _, tt := range []struct {
		terms      Terms
		used, want time.Duration // after it was made
	}{
		{month, 0, 30 * day},
		{month, 100 * day, 130 * day},
		{Terms{30 * day, 60 * day}, 0, 30 * day},
		{Terms{30 * day, 60 * day}, 40 * day, 60 * day},
		{Terms{30 * day, 10 * day}, 0, 10 * day},
	} {
		if got := tt.terms.end(made, made.Add(tt.used)).Sub(made); got != tt.want {
			t.Errorf("%v, used after %v: ends after %v, want %v", tt.terms, tt.used, got, tt.want)
		}
	}
}

// TestRefreshIsWrittenHourly at most, however often it is shown.
func TestRefreshIsWrittenHourly(t *testing.T) {
	r := newRig(t)
	text, _ := r.logIn(t, "alice", month)
	for _, step := range []struct {
		after  time.Duration
		writes int
	}{{0, 0}, {time.Minute, 0}, {58 * time.Minute, 0}, {time.Minute, 2}, {time.Minute, 0}, {59 * time.Minute, 2}} {
		r.clock.now = r.clock.now.Add(step.after)
		r.store.writes = 1000
		for range 5 {
			if _, err := r.refreshes(t, text, month); err != nil {
				t.Fatal(err)
			}
		}
		if got := 1000 - r.store.writes; got != step.writes {
			t.Errorf("%v later: %d writes, want %d", step.after, got, step.writes)
		}
	}
}

// TestRefreshStaysInTheList: what is good can be found and revoked, at any time
// and whatever fails to be written.
func TestRefreshStaysInTheList(t *testing.T) {
	for seed := range uint64(8) {
		r, rnd := newRig(t), rand.New(rand.NewPCG(seed, 1))
		text, made := r.logIn(t, "alice", month)
		begin := r.clock.now
		for range 60 {
			r.clock.now = r.clock.now.Add(time.Duration(rnd.Int64N(int64(20 * day))))
			r.store.writes = rnd.IntN(5) - 1 // below zero: all go through
			_, err := r.refreshes(t, text, month)
			r.store.writes = -1
			r.expire(t)
			listed := slices.Contains(r.ids(t, "alice"), made.ID)
			if err == nil && !listed {
				t.Fatalf("seed %d: good after %v, and not in the list", seed, r.clock.now.Sub(begin))
			}
			if err != nil {
				break
			}
		}
		if n, err := r.RevokeAll(t.Context(), "alice", ""); err != nil || n > 1 {
			t.Errorf("RevokeAll() = %d, %v", n, err)
		}
		if _, err := r.refreshes(t, text, month); err == nil {
			t.Errorf("seed %d: good after it was revoked", seed)
		}
	}
}

// expire removes what a store that had r's clock would have forgotten.
func (r *rig) expire(t testing.TB) {
	t.Helper()
	for key, until := range r.store.ends {
		if r.clock.now.After(until) {
			if err := r.store.Store.Delete(t.Context(), key, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestRevokedRefreshIsNotRevived by the note of a use before.
func TestRevokedRefreshIsNotRevived(t *testing.T) {
	r := newRig(t)
	text, tok := r.logIn(t, "alice", month)
	r.clock.now = r.clock.now.Add(2 * time.Hour)
	got, err := r.VerifyRefresh(t.Context(), text, month)
	if err != nil {
		t.Fatal(err)
	}
	r.Extend(got, month)
	r.store.read = func() { // after Run has read the record
		if err := r.Revoke(t.Context(), "alice", tok.ID); err != nil {
			t.Fatal(err)
		}
	}
	r.noteNow(t.Context(), <-r.used)
	if _, err := r.refreshes(t, text, month); !errors.Is(err, ErrUnknown) {
		t.Errorf("VerifyRefresh() = %v", err)
	}
	if left := r.left(t, area); left != nil {
		t.Errorf("%q is left", left)
	}
	r.clock.now = r.clock.now.Add(halfMade)
	if ids, left := r.ids(t, "alice"), r.left(t, owners); ids != nil || len(left) != 0 {
		t.Errorf("%q is listed, %q is left", ids, left)
	}
}

// TestRoomForAnotherClient: the one that was not seen for longest goes, but none
// that was seen within a day; personal tokens neither go nor count.
func TestRoomForAnotherClient(t *testing.T) {
	r := newRig(t)
	for range 3 {
		r.make(t, "alice", "m")
	}
	texts := make([]authn.Secret, MostRefresh)
	for i := range texts {
		texts[i], _ = r.logIn(t, "alice", month)
		r.clock.now = r.clock.now.Add(time.Minute)
	}
	one := Token{Owner: "alice", Method: "users"}
	if _, _, err := r.CreateRefresh(t.Context(), one, month); !errors.Is(err, ErrTooMany) {
		t.Errorf("one more: %v", err)
	}
	r.logIn(t, "bob", month)
	r.make(t, "alice", "m")

	r.clock.now = r.clock.now.Add(day)
	if _, err := r.refreshes(t, texts[0], month); err != nil {
		t.Error(err)
	}
	for range 2 {
		r.logIn(t, "alice", month)
	}
	good := 0
	for _, text := range texts {
		if _, err := r.VerifyRefresh(t.Context(), text, month); err == nil {
			good++
		}
	}
	if _, err := r.VerifyRefresh(t.Context(), texts[0], month); err != nil || good != MostRefresh-2 {
		t.Errorf("%d are good; the first, which was seen a moment ago: %v", good, err)
	}
	for _, i := range []int{1, 2} {
		if _, err := r.VerifyRefresh(t.Context(), texts[i], month); !errors.Is(err, ErrUnknown) {
			t.Errorf("the one that was seen as number %d of all: %v", i, err)
		}
	}
	if n := len(r.ids(t, "alice")); n != MostRefresh+4 {
		t.Errorf("%d are left", n)
	}
}

// TestIndexOfAnOlderGate has no kinds.
func TestIndexOfAnOlderGate(t *testing.T) {
	for data, want := range map[string]string{
		"1800000000":         " 1800000000",
		"1800000000 refresh": "refresh 1800000000",
		"":                   " -62135596800",
		"x refresh":          "refresh -62135596800",
	} {
		if kind, at := readIndex([]byte(data)); fmt.Sprint(kind, " ", at.Unix()) != want {
			t.Errorf("%q is %q, %v", data, kind, at)
		}
	}
}

// BenchmarkLoginWithManyClients is what a docker login costs an account that has
// as many as can be, the hash apart.
func BenchmarkLoginWithManyClients(b *testing.B) {
	r := newRig(b)
	for range MostRefresh {
		r.logIn(b, "alice", month)
	}
	b.ReportAllocs()
	for b.Loop() {
		r.clock.now = r.clock.now.Add(25 * time.Hour)
		r.logIn(b, "alice", month)
	}
}
