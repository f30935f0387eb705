package secret

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/state"
	"github.com/regate/regate/internal/state/local"
)

// A clock that a test moves.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

// breaking is a store whose writes fail once so many have gone through.
type breaking struct {
	state.Store
	writes int                      // that go through; below zero, all do
	lives  map[string]time.Duration // of what was put, by key
	ends   map[string]time.Time     // of the same, by the clock of the test
	clock  *clock
	read   func() // is called after the next Get
	deaf   bool   // no Get is answered
}

var errDown = errors.New("the state is down")

func (b *breaking) spend() error {
	if b.writes == 0 {
		return errDown
	}
	b.writes--
	return nil
}

func (b *breaking) Put(ctx context.Context, key string, val []byte, o state.PutOpts) (uint64, error) {
	if err := b.spend(); err != nil {
		return 0, err
	}
	b.lives[key] = o.TTL
	if b.ends[key] = b.clock.now.Add(o.TTL); o.TTL == 0 {
		delete(b.ends, key)
	}
	return b.Store.Put(ctx, key, val, o)
}

func (b *breaking) Get(ctx context.Context, key string) (state.Value, error) {
	if b.deaf {
		return state.Value{}, errDown
	}
	v, err := b.Store.Get(ctx, key)
	if read := b.read; read != nil {
		b.read = nil
		read()
	}
	return v, err
}

func (b *breaking) Delete(ctx context.Context, key string, ifRev uint64) error {
	if err := b.spend(); err != nil {
		return err
	}
	return b.Store.Delete(ctx, key, ifRev)
}

type rig struct {
	*Book
	*clock
	store *breaking
}

func newRig(t testing.TB) *rig {
	t.Helper()
	store, err := local.Open(t.Context(), local.Config{Path: t.TempDir()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	r := &rig{clock: &clock{time.Unix(1800000000, 0)}}
	r.store = &breaking{Store: store, writes: -1, lives: map[string]time.Duration{}, ends: map[string]time.Time{}, clock: r.clock}
	r.Book = New(r.store, r.Now, nil)
	return r
}

// make makes a token of owner that is good for a day.
func (r *rig) make(t testing.TB, owner, method string) (authn.Secret, Token) {
	t.Helper()
	text, tok, err := r.Create(t.Context(), Token{Kind: Personal, Owner: owner, Method: method, Name: "laptop", Expires: r.clock.now.Add(24 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return text, tok
}

func (r *rig) ids(t testing.TB, owner string) (ids []string) {
	t.Helper()
	all, err := r.List(t.Context(), owner)
	if err != nil {
		t.Fatal(err)
	}
	for _, tok := range all {
		ids = append(ids, tok.ID)
	}
	return ids
}

// left are the keys below prefix.
func (r *rig) left(t testing.TB, prefix string) (keys []string) {
	t.Helper()
	for e, err := range r.store.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, e.Key)
	}
	return keys
}

func (r *rig) verifies(t testing.TB, text authn.Secret, want error) {
	t.Helper()
	if tok, err := r.Verify(t.Context(), text); !errors.Is(err, want) || err != nil && !reflect.DeepEqual(tok, Token{}) {
		t.Errorf("Verify() = %+v, %v; want %v", tok, err, want)
	}
}

// owners have every character that could mean something in a key.
var oddOwners = []string{"alice", "alice@example.com", "team/alice", "a/../b", "..", ".", "%2F", "ä ö", "a{b}:c", "alice/", "Alice"}

func TestCreateVerifyListRevoke(t *testing.T) {
	r := newRig(t)
	texts := map[string]authn.Secret{}
	for _, owner := range oddOwners {
		text, made := r.make(t, owner, "github_auth")
		got, err := r.Verify(t.Context(), text)
		if err != nil || !reflect.DeepEqual(got, made) || got.Owner != owner || got.Method != "github_auth" || got.Name != "laptop" || got.Kind != Personal {
			t.Errorf("Verify() = %+v, %v; want %+v", got, err, made)
		}
		texts[owner] = text
	}
	for _, owner := range oddOwners {
		mine := r.ids(t, owner)
		if len(mine) != 1 {
			t.Fatalf("%q has %v, want one", owner, mine)
		}
		for _, other := range oddOwners {
			if other != owner && !errors.Is(r.Revoke(t.Context(), other, mine[0]), ErrUnknown) {
				t.Errorf("%q revokes what is %q's", other, owner)
			}
		}
		r.verifies(t, texts[owner], nil)
		if err := r.Revoke(t.Context(), owner, mine[0]); err != nil {
			t.Error(err)
		}
		r.verifies(t, texts[owner], ErrUnknown)
		if err := r.Revoke(t.Context(), owner, mine[0]); !errors.Is(err, ErrUnknown) {
			t.Errorf("a second Revoke() = %v", err)
		}
	}
	if keys := append(r.left(t, area), r.left(t, owners)...); keys != nil {
		t.Errorf("%q is left of what was revoked", keys)
	}
}

func TestNothingOfASecretIsInTheState(t *testing.T) {
	r := newRig(t)
	text, tok := r.make(t, "alice", "m")
	p, _ := parse(text.Reveal())
	for e, err := range r.store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if s := string(e.Data); strings.Contains(s, encode(p.secret[:], secretDigits)) || strings.Contains(s, string(p.secret[:])) || strings.Contains(s, "rgt_") {
			t.Errorf("%s holds %q", e.Key, e.Data)
		}
	}
	// The hash of another's secret opens nothing.
	if _, err := r.Verify(t.Context(), parsed{tok.ID, sha256.Sum256(p.secret[:])}.text()); !errors.Is(err, ErrUnknown) {
		t.Errorf("Verify of the right id with another secret = %v", err)
	}
}

func TestExpiry(t *testing.T) {
	r := newRig(t)
	text, _ := r.make(t, "alice", "m")
	endless, _, err := r.Create(t.Context(), Token{Kind: Personal, Owner: "bob", Method: "m"})
	if err != nil {
		t.Fatal(err)
	}
	r.clock.now = r.clock.now.Add(24*time.Hour - 1)
	r.verifies(t, text, nil)
	r.clock.now = r.clock.now.Add(1)
	r.verifies(t, text, ErrExpired)
	if len(r.ids(t, "alice")) != 1 {
		t.Error("an expired token is not in the list, where its owner could see why it does not work")
	}
	r.clock.now = r.clock.now.Add(50 * 365 * 24 * time.Hour)
	r.verifies(t, endless, nil)
}

// TestStateForgetsWhatHasExpired: both halves of it, after a while.
func TestStateForgetsWhatHasExpired(t *testing.T) {
	r := newRig(t)
	text, tok := r.make(t, "alice", "m")
	_, endless, err := r.Create(t.Context(), Token{Kind: Personal, Owner: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	want := func(id string, life time.Duration) {
		t.Helper()
		for _, key := range []string{area + id, index("alice", id)} {
			if got := r.store.lives[key]; got != life {
				t.Errorf("%s lives %v, want %v", key, got, life)
			}
		}
	}
	want(tok.ID, 24*time.Hour+remembered)
	want(endless.ID, 0)
	r.clock.now = r.clock.now.Add(2 * time.Hour)
	r.verifies(t, text, nil)
	r.noteNow(t.Context(), <-r.used)
	want(tok.ID, 22*time.Hour+remembered)
}

func TestRevokeAll(t *testing.T) {
	r := newRig(t)
	first, _ := r.make(t, "alice", "github_auth")
	second, _ := r.make(t, "alice", "oidc_auth/a")
	third, _ := r.make(t, "alice", "github_auth")
	other, _ := r.make(t, "bob", "github_auth")
	if n, err := r.RevokeAll(t.Context(), "alice", "github_auth"); n != 2 || err != nil {
		t.Errorf("RevokeAll() = %d, %v", n, err)
	}
	r.verifies(t, first, ErrUnknown)
	r.verifies(t, second, nil)
	r.verifies(t, third, ErrUnknown)
	if n, err := r.RevokeAll(t.Context(), "alice", ""); n != 1 || err != nil {
		t.Errorf("RevokeAll() of all = %d, %v", n, err)
	}
	r.verifies(t, second, ErrUnknown)
	r.verifies(t, other, nil)
}

func TestMost(t *testing.T) {
	r := newRig(t)
	for range Most {
		r.make(t, "alice", "m")
	}
	if _, _, err := r.Create(t.Context(), Token{Kind: Personal, Owner: "alice"}); !errors.Is(err, ErrTooMany) {
		t.Errorf("one more than %d = %v", Most, err)
	}
	r.make(t, "bob", "m")
	if err := r.Revoke(t.Context(), "alice", r.ids(t, "alice")[0]); err != nil {
		t.Fatal(err)
	}
	r.make(t, "alice", "m")
	if _, _, err := r.Create(t.Context(), Token{Kind: Personal}); err == nil {
		t.Error("a token of nobody was made")
	}
}

func TestNewestFirst(t *testing.T) {
	r := newRig(t)
	var want []string
	for range 5 {
		_, tok := r.make(t, "alice", "m")
		want = slices.Insert(want, 0, tok.ID)
		r.clock.now = r.clock.now.Add(time.Second)
	}
	if got := r.ids(t, "alice"); !slices.Equal(got, want) {
		t.Errorf("List() = %v, want %v", got, want)
	}
}

// TestCrashes ends the writes after each number of them, while a token is made
// or revoked. Whatever is left, no token is good that is not in the list, and
// what is in the index alone goes away.
func TestCrashes(t *testing.T) {
	revoke := func(r *rig, id string) error { return r.Revoke(t.Context(), "alice", id) }
	for writes := range 5 {
		t.Run(fmt.Sprint("made, ", writes), func(t *testing.T) {
			r := newRig(t)
			r.store.writes = writes
			text, _, err := r.Create(t.Context(), Token{Kind: Personal, Owner: "alice", Method: "m"})
			if (err == nil) != (writes >= 2) || (text == "") != (err != nil) {
				t.Fatalf("Create() = %v, %v", text, err)
			}
			r.isWhole(t)
		})
		t.Run(fmt.Sprint("revoked, ", writes), func(t *testing.T) {
			r := newRig(t)
			text, tok := r.make(t, "alice", "m")
			r.store.writes = writes
			want := []error{nil, ErrUnknown}[min(writes, 1)]
			if err := revoke(r, tok.ID); (err == nil) != (writes >= 2) {
				t.Errorf("Revoke() = %v", err)
			}
			r.verifies(t, text, want)
			r.isWhole(t)
		})
	}
}

// isWhole fails unless records and index agree, once the halves had time to.
func (r *rig) isWhole(t *testing.T) {
	t.Helper()
	r.store.writes = -1
	r.clock.now = r.clock.now.Add(halfMade)
	listed := len(r.ids(t, "alice"))
	if records, index := len(r.left(t, area)), len(r.left(t, owners)); records != listed || index != listed {
		t.Errorf("%d records, %d entries of the index, %d in the list", records, index, listed)
	}
}

// TestHalfMadeIsNotHealed: the record of what another gate makes just now is
// about to be written.
func TestHalfMadeIsNotHealed(t *testing.T) {
	r := newRig(t)
	_, tok := r.make(t, "alice", "m")
	if err := r.store.Delete(t.Context(), area+tok.ID, 0); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{1, 0} {
		if got := r.ids(t, "alice"); got != nil {
			t.Errorf("List() = %v", got)
		}
		if got := len(r.left(t, owners)); got != want {
			t.Errorf("%d entries in the index, want %d", got, want)
		}
		r.clock.now = r.clock.now.Add(halfMade)
	}
}

func TestStateDownIsNoRefusal(t *testing.T) {
	r := newRig(t)
	text, tok := r.make(t, "alice", "m")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Verify(gone, text); err == nil || errors.Is(err, ErrUnknown) || errors.Is(err, ErrExpired) || errors.Is(err, ErrMalformed) {
		t.Errorf("Verify() = %v", err)
	}
	if _, err := r.Store().Put(t.Context(), area+tok.ID, []byte("{"), state.PutOpts{}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Verify(t.Context(), text); err == nil || errors.Is(err, ErrUnknown) {
		t.Errorf("Verify() of a broken record = %v", err)
	}
}

func (r *rig) Store() state.Store { return r.store.Store }
