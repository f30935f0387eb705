package statetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/regate/regate/internal/state"
)

// leaseTTL is short, since some wait for its end, and long enough for a busy
// machine, on which a lease is lost if nobody beats for two thirds of it.
const leaseTTL = 600 * time.Millisecond

func acquire(t *testing.T, st state.Store, name string) state.Lease {
	t.Helper()
	l, err := st.Acquire(within(t), name, leaseTTL)
	if err != nil {
		t.Fatalf("Acquire(%q) = %v", name, err)
	}
	return l
}

func release(t *testing.T, l state.Lease) {
	t.Helper()
	if err := l.Release(within(t)); err != nil {
		t.Errorf("Release() = %v", err)
	}
}

func isLost(l state.Lease) bool {
	select {
	case <-l.Lost():
		return true
	default:
		return false
	}
}

func testLease(t *testing.T, st state.Store) {
	one := acquire(t, st, "a")
	_, err := st.Acquire(within(t), "a", leaseTTL)
	wantErr(t, "Acquire of a held lease", err, state.ErrHeld)
	release(t, acquire(t, st, "b")) // another name is another lease

	release(t, one)
	two := acquire(t, st, "a")
	if one.Fence() == 0 || two.Fence() <= one.Fence() {
		t.Errorf("fences are %d and then %d", one.Fence(), two.Fence())
	}
	if isLost(one) || isLost(two) {
		t.Error("a lease is lost that was released or is held")
	}
	for _, ttl := range []time.Duration{0, -time.Second} {
		if _, err := st.Acquire(within(t), "c", ttl); err == nil {
			t.Errorf("Acquire with a ttl of %v = nil, want an error", ttl)
		}
	}
	if got := keys(t, st, ""); got != nil {
		t.Errorf("leases show as the values %q", got)
	}
}

// testLeaseHeld asks for a lease again and again until three times its ttl
// have gone.
func testLeaseHeld(t *testing.T, st state.Store) {
	held := acquire(t, st, "a")
	end := time.After(3 * leaseTTL)
	for ask := time.Tick(leaseTTL / 20); ; {
		select {
		case <-ask:
			_, err := st.Acquire(within(t), "a", leaseTTL)
			wantErr(t, "Acquire of a held lease", err, state.ErrHeld)
		case <-held.Lost():
			t.Fatal("the lease is lost though its holder lives")
		case <-end:
			release(t, held)
			release(t, acquire(t, st, "a"))
			return
		}
	}
}

func testLateRelease(t *testing.T, st state.Store) {
	old := acquire(t, st, "a")
	release(t, old)
	acquire(t, st, "a")
	release(t, old)
	_, err := st.Acquire(within(t), "a", leaseTTL)
	wantErr(t, "Acquire, after the one before the holder released twice,", err, state.ErrHeld)
}

// testExclusion has thirty goroutines that want the same lease, each twice.
func testExclusion(t *testing.T, st state.Store) {
	var inside, turns atomic.Int64
	var lastFence uint64 // guarded by the lease itself: the race detector sees if that fails
	turn := func() {
		l := acquireSoon(t, st, "a")
		if l == nil {
			return
		}
		if inside.Add(1) != 1 {
			t.Error("two have the lease")
		}
		if l.Fence() <= lastFence {
			t.Errorf("fence %d after %d", l.Fence(), lastFence)
		}
		lastFence = l.Fence()
		turns.Add(1)
		inside.Add(-1)
		release(t, l)
	}
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() { turn(); turn() })
	}
	wg.Wait()
	if turns.Load() != 60 {
		t.Errorf("%d turns of 60", turns.Load())
	}
}

// acquireSoon waits its turn; nil if the test is over.
func acquireSoon(t *testing.T, st state.Store, name string) state.Lease {
	ctx := within(t)
	retry := time.NewTicker(time.Millisecond)
	defer retry.Stop()
	for {
		l, err := st.Acquire(ctx, name, 10*leaseTTL)
		if err == nil {
			return l
		}
		if !errors.Is(err, state.ErrHeld) {
			t.Errorf("Acquire(%q) = %v, want nil or ErrHeld", name, err)
			return nil
		}
		<-retry.C
	}
}

func testClose(t *testing.T, st state.Store) {
	put(t, st, "a/b", "x")
	l := acquire(t, st, "a")
	events := st.Watch(t.Context(), "a/")
	if err := st.Close(); err != nil {
		t.Fatalf("Close() = %v", err)
	}
	<-l.Lost()
	for range events { // ends when the channel is closed
	}
	if err := l.Release(within(t)); err != nil {
		t.Errorf("Release of a lost lease = %v", err)
	}
	_, err := st.Get(within(t), "a/b")
	if err == nil || errors.Is(err, state.ErrNotFound) {
		t.Errorf("Get after Close = %v, want an error that is not about the value", err)
	}
	if _, err := st.Put(within(t), "a/b", nil, state.PutOpts{}); err == nil || errors.Is(err, state.ErrConflict) {
		t.Errorf("Put after Close = %v, want an error that is not about the value", err)
	}
	if _, err := st.Acquire(within(t), "b", leaseTTL); err == nil || errors.Is(err, state.ErrHeld) {
		t.Errorf("Acquire after Close = %v, want an error that is not about a holder", err)
	}
	if err := st.Close(); err != nil {
		t.Errorf("second Close() = %v", err)
	}
}
