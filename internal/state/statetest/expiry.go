package statetest

import (
	"slices"
	"testing"
	"time"

	"github.com/regate/regate/internal/state"
)

// A Clock is an engine's idea of the time, which a test moves.
type Clock interface{ Advance(time.Duration) }

// Expiry tests the lives of values, on stores whose clock is the one that open
// returns.
func Expiry(t *testing.T, open func(t *testing.T) (state.Store, Clock)) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(t *testing.T, st state.Store, clock Clock)
	}{
		{"value expires", testExpires},
		{"nothing is there after expiry", testExpiredIsAbsent},
		{"last write decides", testRenewed},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			st, clock := open(t)
			test.run(t, st, clock)
		})
	}
}

func putFor(t *testing.T, st state.Store, key string, ttl time.Duration) uint64 {
	t.Helper()
	rev, err := st.Put(within(t), key, []byte("x"), state.PutOpts{TTL: ttl, Fence: 9})
	if err != nil {
		t.Fatalf("Put(%q) for %v = %v", key, ttl, err)
	}
	return rev
}

func testExpires(t *testing.T, st state.Store, clock Clock) {
	put(t, st, "a/ever", "x")
	putFor(t, st, "a/hour", time.Hour)
	putFor(t, st, "a/minute", time.Minute)

	clock.Advance(59 * time.Second)
	wantValue(t, st, "a/minute", "x")
	clock.Advance(time.Second)
	wantValue(t, st, "a/minute", "")
	if got, want := keys(t, st, "a/"), []string{"a/ever", "a/hour"}; !slices.Equal(got, want) {
		t.Errorf("List after a minute = %q, want %q", got, want)
	}
	clock.Advance(time.Hour)
	if got, want := keys(t, st, "a/"), []string{"a/ever"}; !slices.Equal(got, want) {
		t.Errorf("List after an hour = %q, want %q", got, want)
	}
	if _, err := st.Put(within(t), "a/never", nil, state.PutOpts{TTL: -1}); err == nil {
		t.Error("Put with a negative TTL = nil, want an error")
	}
}

func testExpiredIsAbsent(t *testing.T, st state.Store, clock Clock) {
	rev := putFor(t, st, "a/b", time.Minute)
	clock.Advance(time.Minute)

	wantErr(t, "Delete with the revision that was", st.Delete(within(t), "a/b", rev), state.ErrConflict)
	_, err := st.Put(within(t), "a/b", nil, state.PutOpts{IfRev: &rev})
	wantErr(t, "Put with the revision that was", err, state.ErrConflict)
	newer, err := st.Put(within(t), "a/b", []byte("y"), state.PutOpts{IfRev: new(uint64), Fence: 8})
	wantErr(t, "Put over nothing, with a lower fence than the one that was", err, nil)
	if newer <= rev {
		t.Errorf("revision %d after %d", newer, rev)
	}
}

func testRenewed(t *testing.T, st state.Store, clock Clock) {
	putFor(t, st, "a/longer", time.Minute)
	putFor(t, st, "a/ever", time.Minute)
	putFor(t, st, "a/shorter", time.Hour)
	clock.Advance(30 * time.Second)
	putFor(t, st, "a/longer", time.Minute)
	put(t, st, "a/ever", "x")
	putFor(t, st, "a/shorter", time.Minute)

	clock.Advance(45 * time.Second)
	wantValue(t, st, "a/longer", "x")
	clock.Advance(15 * time.Second)
	wantValue(t, st, "a/ever", "x")
	wantValue(t, st, "a/longer", "")
	wantValue(t, st, "a/shorter", "")
}
