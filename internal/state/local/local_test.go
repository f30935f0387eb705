package local

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/regate/regate/internal/state"
	"github.com/regate/regate/internal/state/statetest"
)

// A testClock stands still until it is moved.
type testClock struct{ ns atomic.Int64 }

func newClock() *testClock {
	c := new(testClock)
	c.ns.Store(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *testClock) now() time.Time          { return time.Unix(0, c.ns.Load()) }
func (c *testClock) Advance(d time.Duration) { c.ns.Add(int64(d)) }

// openAt opens the state in dir with a clock; the test closes it.
func openAt(t *testing.T, dir string, now func() time.Time) *Store {
	t.Helper()
	s, err := open(t.Context(), Config{Path: dir}, nil, now)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func newDir(t *testing.T) string { return filepath.Join(t.TempDir(), "state") }

func TestConformance(t *testing.T) {
	statetest.Run(t, func(t *testing.T) state.Store {
		return openAt(t, newDir(t), time.Now)
	})
}

func TestConformanceSealed(t *testing.T) {
	statetest.Run(t, func(t *testing.T) state.Store {
		key, err := state.NewKey([32]byte{1})
		if err != nil {
			t.Fatal(err)
		}
		return state.Seal(openAt(t, newDir(t), time.Now), key, "a", "tls", "owner")
	})
}

func TestExpiry(t *testing.T) {
	statetest.Expiry(t, func(t *testing.T) (state.Store, statetest.Clock) {
		clock := newClock()
		return openAt(t, newDir(t), clock.now), clock
	})
}
