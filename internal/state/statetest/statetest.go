// Package statetest is what every state engine must do, as tests.
//
// An engine's own tests call Run with a function that opens an empty Store and
// closes it with the test, and Expiry if its clock can be moved. Whatever the
// suite does not ask, users of state.Store may not rely on. How an engine
// fails (a full disk, a lost connection) is for its own tests. Nothing here is
// linked into the gate.
package statetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/regate/regate/internal/state"
)

// deadline ends a test whose engine hangs.
const deadline = 30 * time.Second

// Run tests the stores that open returns: empty ones, each of its own.
func Run(t *testing.T, open func(t *testing.T) state.Store) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(t *testing.T, st state.Store)
	}{
		{"absent value", testAbsent},
		{"round trip", testRoundTrip},
		{"copies", testCopies},
		{"revisions grow", testRevisions},
		{"put with revision", testIfRev},
		{"put with fence", testFence},
		{"delete", testDelete},
		{"list", testList},
		{"list of many", testListMany},
		{"write while listing", testListAndWrite},
		{"counting together", testCounting},
		{"ctx", testContext},
		{"lease", testLease},
		{"lease outlives its ttl", testLeaseHeld},
		{"old holder releases late", testLateRelease},
		{"leases exclude each other", testExclusion},
		{"limit", testLimit},
		{"limit for all at once", testLimitTogether},
		{"close", testClose},
		{"watch", testWatch},
		{"health", testHealth},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, open(t))
		})
	}
}

func testHealth(t *testing.T, st state.Store) {
	if err := st.Health(within(t)); err != nil {
		t.Errorf("Health() = %v, want nil", err)
	}
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	t.Cleanup(cancel)
	return ctx
}

// put writes and fails the test if that is refused.
func put(t *testing.T, st state.Store, key, val string) uint64 {
	t.Helper()
	rev, err := st.Put(within(t), key, []byte(val), state.PutOpts{})
	if err != nil {
		t.Fatalf("Put(%q) = %v", key, err)
	}
	return rev
}

// wantValue says what stands at key; "" means that nothing does.
func wantValue(t *testing.T, st state.Store, key, want string) {
	t.Helper()
	got, err := st.Get(within(t), key)
	if want == "" {
		wantErr(t, fmt.Sprintf("Get(%q)", key), err, state.ErrNotFound)
		return
	}
	if err != nil || string(got.Data) != want {
		t.Errorf("Get(%q) = %q, %v, want %q", key, got.Data, err, want)
	}
}

func wantErr(t *testing.T, call string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s = %v, want %v", call, got, want)
	}
}

// keys lists prefix.
func keys(t *testing.T, st state.Store, prefix string) []string {
	t.Helper()
	var got []string
	for entry, err := range st.List(within(t), prefix) {
		if err != nil {
			t.Fatalf("List(%q): %v", prefix, err)
		}
		got = append(got, entry.Key)
	}
	return got
}
