//go:build redis

package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/regate/regate/internal/state"
	"github.com/regate/regate/internal/state/redis/redistest"
)

// wantAway says that a Store knows nothing, rather than that nothing is there.
func wantAway(t *testing.T, s *Store) {
	t.Helper()
	_, err := s.Get(t.Context(), "a/b")
	if err == nil || isOurs(err) {
		t.Errorf("Get of a server that is away = %v", err)
	}
	for _, err := range s.List(t.Context(), "a/b/") {
		if err == nil {
			t.Error("List of a server that is away yields something")
		}
	}
}

// breakLink asks until nothing is asked any more.
func breakLink(t *testing.T, s *Store) {
	t.Helper()
	for i := 0; s.link.trouble() == nil; i++ {
		if i == mostFailures {
			t.Fatalf("after %d failures the server is still asked", i)
		}
		wantAway(t, s)
	}
	wantAway(t, s)
}

func TestOutage(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	s := openNew(t, config(srv))
	if _, err := s.Put(t.Context(), "a/b", []byte("x"), state.PutOpts{}); err != nil {
		t.Fatal(err)
	}
	short, err := s.Acquire(t.Context(), "short", 300*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	events := s.Watch(t.Context(), "a/")

	srv.Kill()
	breakLink(t, s)
	<-short.Lost()
	if err := short.Release(t.Context()); err != nil {
		t.Errorf("Release of a lost lease = %v", err)
	}

	srv.Start(t)
	redistest.Soon(t, "the state is back", func() error {
		val, err := s.Get(t.Context(), "a/b")
		if err == nil && string(val.Data) != "x" {
			t.Fatalf("Get = %q", val.Data)
		}
		return err
	})
	if e := <-events; e.Key != "a/" {
		t.Errorf("hint %q, want that anything may have changed", e.Key)
	}
	redistest.Soon(t, "hints come again", func() error {
		if _, err := s.Put(t.Context(), "a/c", nil, state.PutOpts{}); err != nil {
			return err
		}
		select {
		case e := <-events:
			if e.Key != "a/c" {
				return fmt.Errorf("hint %q", e.Key)
			}
			return nil
		case <-time.After(100 * time.Millisecond):
			return errors.New("no hint")
		}
	})
}

func TestStartWithoutServer(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	srv.Kill()
	s, err := open(t.Context(), config(srv), defaultPrefix, nil)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer s.Close()
	wantAway(t, s)
	srv.Start(t)
	redistest.Soon(t, "the state is there", func() error { return s.Health(t.Context()) })
}

func TestServerComesBackUnfit(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	s := openNew(t, config(srv))
	srv.Kill()
	breakLink(t, s)
	srv.Args = append(srv.Args, "--maxmemory-policy", "allkeys-lru")
	srv.Start(t)
	redistest.Soon(t, "the server is refused", func() error {
		if err := s.link.trouble(); !errors.Is(err, ErrUnfit) {
			return fmt.Errorf("trouble is %v", err)
		}
		return nil
	})
	wantAway(t, s)
	if err := cli(t, srv).ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err(); err != nil {
		t.Fatal(err)
	}
	redistest.Soon(t, "it is taken once it is fit", func() error { return s.Health(t.Context()) })
}

// TestFailover kills the master while values are counted up and a lease is
// held. What was acknowledged and replicated is there afterwards.
func TestFailover(t *testing.T) {
	t.Parallel()
	master, cfg := startSentinels(t)
	s := openNew(t, cfg)
	lease, err := s.Acquire(t.Context(), "long", 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if err := addOne(t.Context(), s, i); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := cli(t, master).Wait(t.Context(), 1, 10*time.Second).Result(); n != 1 || err != nil {
		t.Fatalf("WAIT = %d, %v", n, err)
	}
	master.Kill()

	failed := 0
	for i := 100; i < 200; i++ {
		redistest.Soon(t, "writes go on", func() error {
			err := addOne(t.Context(), s, i)
			if errors.Is(err, state.ErrConflict) {
				t.Fatalf("write %d: %v", i, err)
			}
			if err != nil {
				failed++
			}
			return err
		})
	}
	if failed == 0 {
		t.Error("the master was killed and nobody noticed")
	}
	select {
	case <-lease.Lost():
		t.Error("a lease of half a minute is lost after a fail-over of seconds")
	default:
	}
	if _, err := s.Acquire(t.Context(), "long", time.Second); !errors.Is(err, state.ErrHeld) {
		t.Errorf("Acquire of the lease = %v, want ErrHeld", err)
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	next, err := s.Acquire(t.Context(), "long", time.Second)
	if err != nil || next.Fence() <= lease.Fence() {
		t.Errorf("the next holder has fence %v (%v), after %d", next, err, lease.Fence())
	}
}

// addOne makes i+1 of i, which is there or nothing.
func addOne(ctx context.Context, s *Store, i int) error {
	val, err := s.Get(ctx, "a/sum")
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return err
	}
	switch sum, _ := strconv.Atoi(string(val.Data)); sum {
	case i + 1: // a write whose reply was lost
		return nil
	case i:
		_, err = s.Put(ctx, "a/sum", []byte(strconv.Itoa(i+1)), state.PutOpts{IfRev: &val.Rev})
		return err
	default:
		return fmt.Errorf("the sum is %d, want %d: %w", sum, i, state.ErrConflict)
	}
}
