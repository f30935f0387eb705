package state_test

import (
	"context"
	"errors"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/regate/regate/internal/state"
	"github.com/regate/regate/internal/state/local"
	"github.com/regate/regate/internal/state/statetest"
)

var errAway = errors.New("far away")

// A far store can be away.
type far struct {
	state.Store
	away atomic.Bool
}

func (f *far) trouble() error {
	if f.away.Load() {
		return errAway
	}
	return nil
}

func (f *far) Get(ctx context.Context, key string) (state.Value, error) {
	if err := f.trouble(); err != nil {
		return state.Value{}, err
	}
	return f.Store.Get(ctx, key)
}

func (f *far) Put(ctx context.Context, key string, val []byte, opts state.PutOpts) (uint64, error) {
	if err := f.trouble(); err != nil {
		return 0, err
	}
	return f.Store.Put(ctx, key, val, opts)
}

func (f *far) Delete(ctx context.Context, key string, ifRev uint64) error {
	if err := f.trouble(); err != nil {
		return err
	}
	return f.Store.Delete(ctx, key, ifRev)
}

func (f *far) List(ctx context.Context, prefix string) iter.Seq2[state.Entry, error] {
	if err := f.trouble(); err != nil {
		return func(yield func(state.Entry, error) bool) { yield(state.Entry{}, err) }
	}
	return f.Store.List(ctx, prefix)
}

func openLocal(t *testing.T) state.Store {
	t.Helper()
	s, err := local.Open(t.Context(), local.Config{Path: filepath.Join(t.TempDir(), "state")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var copyOpts = state.CopyOptions{
	Keeps:   func(key string) bool { return strings.HasPrefix(key, "keys/") },
	Mirrors: []string{"revoked/"},
}

// newCopy returns a copy of an empty far Store.
func newCopy(t *testing.T) (*state.Copy, *far) {
	t.Helper()
	f := &far{Store: openLocal(t)}
	c := state.NewCopy(f, openLocal(t), copyOpts, nil)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c, f
}

// TestCopyIsAStore: while the far one answers, there is no difference, whatever
// is remembered.
func TestCopyIsAStore(t *testing.T) {
	for name, opts := range map[string]state.CopyOptions{
		"nothing": {Keeps: func(string) bool { return false }},
		"all":     {Keeps: func(string) bool { return true }, Mirrors: []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			statetest.Run(t, func(t *testing.T) state.Store {
				c := state.NewCopy(openLocal(t), openLocal(t), opts, nil)
				t.Cleanup(func() { _ = c.Close() })
				return c
			})
		})
	}
}

func put(t *testing.T, s state.Store, key, val string) {
	t.Helper()
	if _, err := s.Put(t.Context(), key, []byte(val), state.PutOpts{}); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, s state.Store, key, val string) {
	t.Helper()
	got, err := s.Get(t.Context(), key)
	if err != nil || string(got.Data) != val {
		t.Errorf("Get(%q) = %q, %v, want %q", key, got.Data, err, val)
	}
}

func TestCopyServesWhileFarIsAway(t *testing.T) {
	c, f := newCopy(t)
	put(t, c, "keys/written", "1")
	put(t, f, "keys/read", "1")
	put(t, f, "keys/never", "1")
	put(t, c, "secret/id", "1")
	want(t, c, "keys/read", "1")

	f.away.Store(true)
	want(t, c, "keys/written", "1")
	want(t, c, "keys/read", "1")
	for _, key := range []string{"keys/never", "keys/absent", "secret/id"} {
		if _, err := c.Get(t.Context(), key); !errors.Is(err, errAway) {
			t.Errorf("Get(%q) = %v, want %v: nobody knows", key, err, errAway)
		}
	}
	val, err := c.Get(t.Context(), "keys/written")
	if err != nil || val.Rev != 0 {
		t.Errorf("Get = revision %d, %v; with it somebody could write over what is newer", val.Rev, err)
	}
	if _, err := c.Put(t.Context(), "keys/written", nil, state.PutOpts{}); !errors.Is(err, errAway) {
		t.Errorf("Put = %v, want %v", err, errAway)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Get(ctx, "keys/written"); err == nil {
		t.Error("Get that nobody waits for = nil")
	}

	f.away.Store(false)
	if err := f.Delete(t.Context(), "keys/read", 0); err != nil {
		t.Fatal(err)
	}
	put(t, f, "keys/written", "2")
	want(t, c, "keys/written", "2")
	f.away.Store(true)
	want(t, c, "keys/written", "2")
}

// TestCopyHeals puts back what the far Store has lost, and nothing over what it
// has or what was deleted here.
func TestCopyHeals(t *testing.T) {
	c, f := newCopy(t)
	put(t, c, "keys/lost", "1")
	put(t, c, "keys/deleted", "1")
	put(t, c, "secret/lost", "1")
	for _, key := range []string{"keys/lost", "secret/lost"} {
		if err := f.Delete(t.Context(), key, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Delete(t.Context(), "keys/deleted", 0); err != nil {
		t.Fatal(err)
	}
	val, err := c.Get(t.Context(), "keys/lost")
	if err != nil || string(val.Data) != "1" || val.Rev == 0 {
		t.Errorf("Get = %q, revision %d, %v", val.Data, val.Rev, err)
	}
	want(t, f, "keys/lost", "1")
	for _, key := range []string{"keys/deleted", "secret/lost"} {
		if _, err := c.Get(t.Context(), key); !errors.Is(err, state.ErrNotFound) {
			t.Errorf("Get(%q) = %v, want ErrNotFound", key, err)
		}
	}
}

// TestCopyMendsBeforeAnybodyAsks: a far Store that comes back empty has the
// keys again before a new gate makes others.
func TestCopyMendsBeforeAnybodyAsks(t *testing.T) {
	c, f := newCopy(t)
	put(t, c, "keys/root", "ours")
	put(t, c, "keys/leaf", "ours")
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { defer close(ended); c.Run(ctx) }()
	marked := func() bool { _, err := f.Get(t.Context(), "meta/whole"); return err == nil }
	until(t, marked)

	f.away.Store(true)
	for _, key := range []string{"keys/root", "keys/leaf", "meta/whole"} {
		if err := f.Store.Delete(t.Context(), key, 0); err != nil {
			t.Fatal(err)
		}
	}
	put(t, f.Store, "keys/leaf", "newer")
	f.away.Store(false)
	put(t, f.Store, "meta/whole/hint", "") // as the engine hints when it is back
	until(t, marked)
	cancel()
	<-ended
	want(t, f, "keys/root", "ours")
	want(t, f, "keys/leaf", "newer")
}

// TestCopyMendsBesideWhatItCannotOpen, which was sealed with a former key.
func TestCopyMendsBesideWhatItCannotOpen(t *testing.T) {
	key, err := state.NewKey([32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	near, f := openLocal(t), openLocal(t)
	put(t, near, "keys/a", "junk")
	sealed := state.Seal(near, key, "keys")
	put(t, sealed, "keys/b", "ours")
	c := state.NewCopy(f, sealed, copyOpts, nil)
	t.Cleanup(func() { _ = c.Close() })
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { defer close(ended); c.Run(ctx) }()
	until(t, func() bool { _, err := f.Get(t.Context(), "meta/whole"); return err == nil })
	cancel()
	<-ended
	want(t, f, "keys/b", "ours")
	if _, err := f.Get(t.Context(), "keys/a"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("what cannot be opened was put back: %v", err)
	}
}

// TestCopyKeepsWhatItCannotOpen: it may be the last that there is.
func TestCopyKeepsWhatItCannotOpen(t *testing.T) {
	near, f := openLocal(t), openLocal(t)
	put(t, near, "keys/a", "of another key")
	c := state.NewCopy(f, state.Seal(near, state.Key{}, "keys"), copyOpts, nil)
	t.Cleanup(func() { _ = c.Close() })
	put(t, c, "keys/a", "ours")
	want(t, c, "keys/a", "ours")
	want(t, near, "keys/a", "of another key")
}

// TestCopyOfLastingValues: another value in the far Store is written over
// nothing, and nothing is made in place of one that may be in the near one.
func TestCopyOfLastingValues(t *testing.T) {
	opts := copyOpts
	opts.Lasting = func(key string) bool { return key == "keys/root" }
	near, f := openLocal(t), openLocal(t)
	c := state.NewCopy(f, near, opts, nil)
	t.Cleanup(func() { _ = c.Close() })
	put(t, c, "keys/root", "ours")
	put(t, c, "keys/leaf", "ours")
	want(t, c, "keys/root", "ours")
	put(t, f, "keys/root", "theirs")
	put(t, f, "keys/leaf", "theirs")
	if val, err := c.Get(t.Context(), "keys/root"); !errors.Is(err, state.ErrOther) {
		t.Errorf("Get = %q, %v, want ErrOther", val.Data, err)
	}
	want(t, near, "keys/root", "ours")
	want(t, c, "keys/leaf", "theirs")
	want(t, near, "keys/leaf", "theirs")

	if err := errors.Join(f.Delete(t.Context(), "keys/root", 0), near.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), "keys/root"); err == nil || errors.Is(err, state.ErrNotFound) {
		t.Errorf("Get = %v, want that nobody knows", err)
	}
}

func until(t *testing.T, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for !is() {
		select {
		case <-look.C:
		case <-ctx.Done():
			t.Fatal("it does not come to be")
		}
	}
}

func TestCopyMirrors(t *testing.T) {
	c, f := newCopy(t)
	listed := func() (all []string, failed error) {
		for e, err := range c.List(t.Context(), "revoked/subject/") {
			if err != nil {
				return all, err
			}
			all = append(all, e.Key+"="+string(e.Data))
		}
		return all, nil
	}
	check := func(when string, want ...string) {
		t.Helper()
		if got, err := listed(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: List = %q, %v, want %q", when, got, err, want)
		}
	}
	put(t, f, "revoked/subject/alice", "1")
	put(t, f, "revoked/subject/bob", "1")
	check("at first", "revoked/subject/alice=1", "revoked/subject/bob=1")
	f.away.Store(true)
	check("while it is away", "revoked/subject/alice=1", "revoked/subject/bob=1")
	f.away.Store(false)
	if err := f.Delete(t.Context(), "revoked/subject/alice", 0); err != nil {
		t.Fatal(err)
	}
	put(t, f, "revoked/subject/bob", "2")
	check("when it is back", "revoked/subject/bob=2")
	f.away.Store(true)
	check("while it is away again", "revoked/subject/bob=2")
	for _, err := range c.List(t.Context(), "secret/") {
		if !errors.Is(err, errAway) {
			t.Errorf("List of what is no mirror = %v", err)
		}
	}
}
