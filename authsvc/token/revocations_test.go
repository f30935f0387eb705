package token

import (
	"context"
	"errors"
	"iter"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/regate/regate/internal/state"
)

// revoke writes what another gate would.
func revoke(t *testing.T, s state.Store, kind, id, until string) {
	t.Helper()
	key := revokedArea + kind + "/" + url.PathEscape(id)
	if _, err := s.Put(t.Context(), key, []byte(until), state.PutOpts{}); err != nil {
		t.Fatal(err)
	}
}

func seconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

var revocationTests = []struct {
	name    string
	subject string
	entries func(id string, now time.Time) (kind, key, until string)
	want    bool // the token is refused
}{
	{"the account, now", "alice",
		func(_ string, now time.Time) (string, string, string) { return kindSubject, "alice", seconds(now) }, true},
	{"the account, before the token was issued", "alice",
		func(_ string, now time.Time) (string, string, string) {
			return kindSubject, "alice", seconds(now.Add(-time.Second))
		}, false},
	{"another account", "alice",
		func(_ string, now time.Time) (string, string, string) { return kindSubject, "Alice", seconds(now) }, false},
	{"an account with a slash", "team/ci %2F",
		func(_ string, now time.Time) (string, string, string) {
			return kindSubject, "team/ci %2F", seconds(now)
		}, true},
	{"the anonymous", "",
		func(_ string, now time.Time) (string, string, string) { return kindSubject, "", seconds(now) }, true},
	{"the token", "alice",
		func(id string, now time.Time) (string, string, string) { return kindToken, id, seconds(now) }, true},
	{"another token", "alice",
		func(id string, now time.Time) (string, string, string) { return kindToken, id + "x", seconds(now) }, false},
	{"the account under the name of a token", "alice",
		func(_ string, now time.Time) (string, string, string) { return kindToken, "alice", seconds(now) }, false},
	{"the family", "alice",
		func(_ string, now time.Time) (string, string, string) { return kindFamily, "f1", seconds(now) }, true},
	{"the family, before the token was issued", "alice",
		func(_ string, now time.Time) (string, string, string) {
			return kindFamily, "f1", seconds(now.Add(-time.Hour))
		}, true},
	{"another family", "alice",
		func(_ string, now time.Time) (string, string, string) { return kindFamily, "f2", seconds(now) }, false},
	{"the account under the name of a family", "alice",
		func(_ string, now time.Time) (string, string, string) { return kindFamily, "alice", seconds(now) }, false},
	{"a time that cannot be read", "alice",
		func(string, time.Time) (string, string, string) { return kindSubject, "alice", "soon" }, true},
	{"a kind from a newer gate", "alice",
		func(_ string, now time.Time) (string, string, string) { return "device", "alice", seconds(now) }, false},
}

func TestRevocations(t *testing.T) {
	t.Parallel()
	for _, tt := range revocationTests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			s := b.issue(t, Claims{Subject: tt.subject, Family: "f1"})
			if _, err := b.verifier.Verify(s.Text); err != nil { // from now on it is remembered
				t.Fatal(err)
			}
			kind, id, until := tt.entries(s.ID, b.clock.Now())
			revoke(t, b.store, kind, id, until)
			if _, err := b.parts.Revoked.load(t.Context()); err != nil {
				t.Fatal(err)
			}
			_, err := b.verifier.Verify(s.Text)
			if (err != nil) != tt.want {
				t.Errorf("Verify = %v, want refused %v", err, tt.want)
			}
			if tt.want {
				refused(t, b.verifier, s.Text, "revoked")
			}
		})
	}
}

// A token of no family is not of the one without a name.
func TestNoFamilyIsNone(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.issue(t, Claims{Subject: "alice"})
	revoke(t, b.store, kindFamily, "", seconds(b.clock.Now()))
	if _, err := b.parts.Revoked.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.verifier.Verify(s.Text); err != nil {
		t.Errorf("Verify = %v", err)
	}
}

func TestTokenIssuedAfterARevocationIsGood(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	revoke(t, b.store, kindSubject, "alice", seconds(b.clock.Now()))
	if _, err := b.parts.Revoked.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.clock.move(time.Second)
	if _, err := b.verifier.Verify(b.issue(t, Claims{Subject: "alice"}).Text); err != nil {
		t.Errorf("Verify = %v", err)
	}
}

// A Store that has lost what it had, as a Redis without a disk does, must not
// let anybody in again; when no token can be left, memory is given back.
func TestRevocationsOutliveTheStore(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.parts.Revoked
	start := b.clock.Now()
	revoke(t, b.store, kindSubject, "alice", seconds(start))
	if _, err := r.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.store.Delete(t.Context(), revokedArea+"subject/alice", 0); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		after time.Duration
		want  bool
	}{{time.Minute, true}, {remembered - time.Minute, true}, {remembered + time.Minute, false}} {
		b.clock.move(start.Add(tt.after).Sub(b.clock.Now()))
		if _, err := r.load(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := r.covers(traits{subject: "alice", id: "x", issued: start.Add(-time.Hour)}); got != tt.want {
			t.Errorf("%v after the revocation, covers() = %v, want %v", tt.after, got, tt.want)
		}
	}
}

// TestLostRevocationsArePutBack by a gate that runs, for as long as they would have
// stood there, so that one which starts knows them.
func TestLostRevocationsArePutBack(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, start := b.parts.Revoked, b.clock.Now()
	revoke(t, b.store, kindSubject, "alice", seconds(start))
	revoke(t, b.store, kindFamily, "a/b", seconds(start.Add(pollRevoked-remembered)))
	if _, err := r.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"subject/alice", "family/a%2Fb"} {
		if err := b.store.Delete(t.Context(), revokedArea+key, 0); err != nil {
			t.Fatal(err)
		}
	}
	b.clock.move(time.Second)
	lost, err := r.load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.putBack(t.Context(), lost)
	if val, err := b.store.Get(t.Context(), revokedArea+"subject/alice"); err != nil || string(val.Data) != seconds(start) {
		t.Errorf("put back is %q, %v", val.Data, err)
	}
	if _, err := b.store.Get(t.Context(), revokedArea+"family/a%2Fb"); err == nil {
		t.Error("what is about to end was put back")
	}
	if lost, err := r.load(t.Context()); err != nil || len(lost[kindSubject]) != 0 {
		t.Errorf("then %v is lost, %v", lost, err)
	}
	again, err := OpenRevocations(t.Context(), b.store, b.clock.Now, nil)
	if err != nil || !again.covers(traits{subject: "alice", issued: start.Add(-time.Second)}) {
		t.Errorf("a gate that starts has it not (%v)", err)
	}
}

// TestSecretEndsWithItsAccount, also where somebody has kept it from being found.
func TestSecretEndsWithItsAccount(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, now := b.parts.Revoked, b.clock.Now().Truncate(time.Second)
	if err := r.RevokeSubject(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		account string
		made    time.Time
		want    bool
	}{
		{"alice", now.Add(-time.Hour), true},
		{"alice", now, false}, // as one that is made just after it, by a script
		{"bob", now.Add(-time.Hour), false},
	} {
		if got := r.Secret("some-id", tt.account, tt.made); got != tt.want {
			t.Errorf("a secret of %s, made %v before, is revoked: %v", tt.account, now.Sub(tt.made), got)
		}
	}
}

// A listing fails, whole or in the middle.
type listing struct {
	state.Store
	down atomic.Bool
}

var errDown = errors.New("state is down")

func (l *listing) List(ctx context.Context, prefix string) iter.Seq2[state.Entry, error] {
	if !l.down.Load() {
		return l.Store.List(ctx, prefix)
	}
	return func(yield func(state.Entry, error) bool) {
		if yield(state.Entry{Key: revokedArea + "subject/bob", Value: state.Value{Data: []byte("99999999999")}}, nil) {
			yield(state.Entry{}, errDown)
		}
	}
}

func TestHalfAListingChangesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	store := &listing{Store: b.store}
	revoke(t, store, kindSubject, "alice", seconds(b.clock.Now()))
	r, err := OpenRevocations(t.Context(), store, b.clock.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	store.down.Store(true)
	if _, err := r.load(t.Context()); !errors.Is(err, errDown) {
		t.Errorf("load = %v, want %v", err, errDown)
	}
	issued := b.clock.Now().Truncate(time.Second) // as in a token
	if !r.covers(traits{subject: "alice", id: "x", issued: issued}) || r.covers(traits{subject: "bob", id: "x", issued: issued}) {
		t.Error("the revocations are not those from before the outage")
	}
	if _, err := OpenRevocations(t.Context(), store, b.clock.Now, nil); !errors.Is(err, errDown) {
		t.Errorf("OpenRevocations without state = %v, want %v", err, errDown)
	}
}

func TestRunFollowsTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { b.parts.Revoked.Run(ctx) })
		defer func() { cancel(); running.Wait() }()
		synctest.Wait() // it watches

		revoke(t, b.store, kindSubject, "alice", seconds(b.clock.Now()))
		synctest.Wait()
		if !b.parts.Revoked.covers(traits{subject: "alice", id: "x", issued: b.clock.Now().Truncate(time.Second)}) {
			t.Error("a hint was not followed")
		}
	})
}

// unheard is a Store whose hints are all lost.
type unheard struct{ listing }

func (*unheard) Watch(context.Context, string) <-chan state.Event {
	c := make(chan state.Event)
	close(c)
	return c
}

func TestRunPollsWithoutHints(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		store := &unheard{listing{Store: b.store}}
		r, err := OpenRevocations(t.Context(), store, b.clock.Now, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { r.Run(ctx) })
		defer func() { cancel(); running.Wait() }()

		store.down.Store(true)
		time.Sleep(3 * pollRevoked)
		revoke(t, store, kindSubject, "alice", seconds(b.clock.Now()))
		store.down.Store(false)
		time.Sleep(pollRevoked + time.Second)
		if !r.covers(traits{subject: "alice", id: "x", issued: b.clock.Now().Truncate(time.Second)}) {
			t.Error("a revocation was not seen by polling")
		}
	})
}

// TestRevoke: what this gate refuses, another one refuses as well, and if it
// cannot be written, nobody does.
func TestRevoke(t *testing.T) {
	b := newBench(t)
	other, err := OpenRevocations(t.Context(), b.store, b.clock.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, account := range []string{"alice", "team/ci %2F", ""} {
		if err := b.parts.Revoked.RevokeSubject(t.Context(), account); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.parts.Revoked.RevokeToken(t.Context(), "some-id"); err != nil {
		t.Fatal(err)
	}
	if err := b.parts.Revoked.RevokeFamily(t.Context(), "some-family"); err != nil {
		t.Fatal(err)
	}
	if _, err := other.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	issued := b.clock.Now().Truncate(time.Second) // as tokens have it
	for _, r := range []*Revocations{b.parts.Revoked, other} {
		for _, account := range []string{"alice", "team/ci %2F", ""} {
			if !r.covers(traits{subject: account, id: "", issued: issued}) || r.covers(traits{subject: account, id: "", issued: issued.Add(time.Second)}) {
				t.Errorf("tokens of %q are good, or later ones are not", account)
			}
		}
		if !r.covers(traits{subject: "bob", id: "some-id", issued: issued.Add(time.Hour)}) || r.covers(traits{subject: "bob", id: "", issued: issued}) {
			t.Error("the token is good, or the account's others are not")
		}
		if !r.Secret("some-family", "bob", issued) || r.Secret("some-id", "bob", issued) || !r.covers(traits{subject: "bob", family: "some-family", issued: issued.Add(time.Hour)}) {
			t.Error("the family is good, or others are not")
		}
	}
	if err := b.store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.parts.Revoked.RevokeSubject(t.Context(), "carol"); err == nil || b.parts.Revoked.covers(traits{subject: "carol", id: "", issued: issued}) {
		t.Errorf("without the state: %v", err)
	}
}
