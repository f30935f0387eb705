//go:build redis

package redis

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/regate/regate/internal/state"
	"github.com/regate/regate/internal/state/redis/redistest"
)

// TestHolderIsKilled: nobody gives the lease back, and it ends; what the dead
// one would still write is refused.
func TestHolderIsKilled(t *testing.T) {
	t.Parallel()
	cfg := config(redistest.Start(t))
	one, two := openAs(t, cfg, "rg", nil), openAs(t, cfg, "rg", nil)
	held, err := one.Acquire(t.Context(), "a", 300*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := two.Acquire(t.Context(), "a", time.Second); !errors.Is(err, state.ErrHeld) {
		t.Fatalf("Acquire of another gate = %v, want ErrHeld", err)
	}
	held.(*lease).done() // as kill -9 ends a heartbeat
	var next state.Lease
	redistest.Soon(t, "the lease ends", func() (err error) {
		next, err = two.Acquire(t.Context(), "a", time.Minute)
		return err
	})
	<-held.Lost()
	if next.Fence() <= held.Fence() {
		t.Errorf("fence %d after %d", next.Fence(), held.Fence())
	}
	if _, err := two.Put(t.Context(), "a/b", nil, state.PutOpts{Fence: next.Fence()}); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Put(t.Context(), "a/b", nil, state.PutOpts{Fence: held.Fence()}); !errors.Is(err, state.ErrConflict) {
		t.Errorf("Put of the dead holder = %v, want ErrConflict", err)
	}
}

// TestFencesGrowOverTheLossOfEverything, and so do revisions.
func TestFencesGrowOverTheLossOfEverything(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	s := openNew(t, config(srv))
	var fence, rev uint64
	for range 3 {
		l, err := s.Acquire(t.Context(), "a", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		next, err := s.Put(t.Context(), "a/b", nil, state.PutOpts{})
		if err != nil || l.Fence() <= fence || next <= rev {
			t.Errorf("fence %d after %d, revision %d after %d (%v)", l.Fence(), fence, next, rev, err)
		}
		fence, rev = l.Fence(), next
		if err := cli(t, srv).FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestHintsReachOtherGates by the server, and lists are the same for all.
func TestHintsReachOtherGates(t *testing.T) {
	t.Parallel()
	cfg := config(redistest.Start(t))
	one, two := openAs(t, cfg, "rg", nil), openAs(t, cfg, "rg", nil)
	hints := two.Watch(t.Context(), "revoked/")
	if _, err := one.Put(t.Context(), "revoked/subject/alice", []byte("1"), state.PutOpts{}); err != nil {
		t.Fatal(err)
	}
	e := <-hints
	if e.Key == "revoked/" { // that anything may have changed: it has begun to listen only now
		e = <-hints
	}
	if e.Key != "revoked/subject/alice" {
		t.Errorf("hint %q", e.Key)
	}
	for e, err := range two.List(t.Context(), "revoked/subject/") {
		if err != nil || e.Key != "revoked/subject/alice" || string(e.Data) != "1" {
			t.Errorf("List yields %v, %v", e, err)
		}
	}
}

// TestIndexForgets: what has expired leaves the index with the next List, and
// an index goes with the last of its values.
func TestIndexForgets(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	s, db := openNew(t, config(srv)), cli(t, srv)
	index := s.names.index("a/b")
	if _, err := s.Put(t.Context(), "a/b/ever", nil, state.PutOpts{}); err != nil {
		t.Fatal(err)
	}
	for i := range 2 * pageEntries {
		if _, err := s.Put(t.Context(), "a/b/"+strconv.Itoa(i), nil, state.PutOpts{TTL: time.Millisecond}); err != nil {
			t.Fatal(err)
		}
	}
	redistest.Soon(t, "all but one are gone", func() error {
		seen := 0
		for _, err := range s.List(t.Context(), "a/b/") {
			if err != nil {
				return err
			}
			seen++
		}
		if n := db.ZCard(t.Context(), index).Val(); n != 1 || seen != 1 {
			return fmt.Errorf("%d in the index, %d seen", n, seen)
		}
		return nil
	})
	if err := s.Delete(t.Context(), "a/b/ever", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), "a/b/short", nil, state.PutOpts{TTL: 50 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	redistest.Soon(t, "the index is gone", func() error {
		if n := db.Exists(t.Context(), index).Val(); n != 0 {
			return errors.New("it is there")
		}
		return nil
	})
}

// TestLimitIsThatOfAllEngines takes and gives back as the shared arithmetic
// would. No more than a second may pass meanwhile.
func TestLimitIsThatOfAllEngines(t *testing.T) {
	t.Parallel()
	s := openNew(t, config(redistest.Start(t)))
	var mem state.Buckets
	for i, every := range []time.Duration{time.Hour, 24 * time.Hour, 90 * time.Minute} {
		for burst := 1; burst <= 10_000; burst *= 100 {
			limit := state.Limit{Every: every, Burst: burst}
			bucket := fmt.Sprint(i, burst)
			for _, cost := range []int{1, burst, burst - 1, 1, -1, 1, 2, -burst, burst + 1, burst, 1} {
				want := mem.Take(bucket, limit, cost, time.Now())
				got, err := s.Allow(t.Context(), bucket, limit, cost)
				if err != nil || (got == 0) != (want == 0) || (got-want).Abs() > time.Second {
					t.Errorf("Allow(%v, %d, cost %d) = %v, %v, want %v", every, burst, cost, got, err, want)
				}
			}
		}
	}
}
