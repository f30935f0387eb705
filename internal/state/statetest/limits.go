package statetest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/regate/regate/internal/state"
)

func testLimit(t *testing.T, st state.Store) {
	slow := state.Limit{Every: time.Hour, Burst: 3}
	allow := func(bucket string, cost int) time.Duration {
		t.Helper()
		wait, err := st.Allow(within(t), bucket, slow, cost)
		if err != nil {
			t.Fatalf("Allow(%q, %d) = %v", bucket, cost, err)
		}
		return wait
	}
	if allow("a", 2) != 0 || allow("a", 1) != 0 {
		t.Error("less than the burst is not allowed")
	}
	if wait := allow("a", 1); wait <= 59*time.Minute || wait > time.Hour {
		t.Errorf("beyond the burst the wait is %v, want an hour", wait)
	}
	if allow("b", 3) != 0 {
		t.Error("another bucket is empty as well")
	}
	if allow("a", -1) != 0 || allow("a", 1) != 0 || allow("a", 1) == 0 {
		t.Error("what was given back is not there, or more than that")
	}
}

// testLimitTogether has many take at once.
func testLimitTogether(t *testing.T, st state.Store) {
	const burst = 20
	var got atomic.Int32
	var all sync.WaitGroup
	for range 10 * burst {
		all.Go(func() {
			wait, err := st.Allow(within(t), "shared", state.Limit{Every: time.Hour, Burst: burst}, 1)
			if err != nil {
				t.Errorf("Allow() = %v", err)
			}
			if wait == 0 {
				got.Add(1)
			}
		})
	}
	all.Wait()
	if got.Load() != burst {
		t.Errorf("%d were allowed, want %d", got.Load(), burst)
	}
}
