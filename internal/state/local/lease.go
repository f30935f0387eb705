package local

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/regate/regate/internal/state"
)

// A lease of this engine is kept in memory alone. Only the process that has
// locked the file can have one, and the kernel takes that lock away when the
// process ends, however it ends: so leases cannot outlive it, the next process
// never waits for one, and a process that was stopped for an hour finds that
// nobody else was at work. There is no heartbeat because nothing could be
// learnt from it. Only the fence, which must grow for ever, is in the file.
type lease struct {
	leases *leases
	name   string
	fence  uint64
	lost   chan struct{}
}

type leases struct {
	mu    sync.Mutex // guards what follows
	held  map[string]*lease
	ended bool
}

// Acquire takes the lease called name. It is held until Release or Close; ttl
// is the longest that others wait after a crash, and here they need not.
func (s *Store) Acquire(ctx context.Context, name string, ttl time.Duration) (state.Lease, error) {
	if ttl <= 0 {
		return nil, fmt.Errorf("lease %s: a ttl of %v is none", name, ttl)
	}
	l := &lease{leases: &s.leases, name: name, lost: make(chan struct{})}
	if err := s.leases.take(l); err != nil {
		return nil, fmt.Errorf("lease %s: %w", name, err)
	}
	var err error
	if l.fence, err = s.nextFence(ctx); err != nil {
		s.leases.give(l)
		return nil, fmt.Errorf("lease %s: %w", name, err)
	}
	return l, nil
}

// nextFence counts in the same sequence as revisions, so a fence is higher
// than that of any earlier lease, whatever its name.
func (s *Store) nextFence(ctx context.Context) (uint64, error) {
	return update(ctx, s, func(tx *bbolt.Tx) (uint64, error) {
		return tx.Bucket(bucketValues).NextSequence()
	})
}

func (ls *leases) take(l *lease) error {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.ended {
		return errors.New("state is closed")
	}
	if _, held := ls.held[l.name]; held {
		return state.ErrHeld
	}
	if ls.held == nil {
		ls.held = make(map[string]*lease)
	}
	ls.held[l.name] = l
	return nil
}

// give takes l out, unless another has taken its place.
func (ls *leases) give(l *lease) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.held[l.name] == l {
		delete(ls.held, l.name)
	}
}

// end says to all holders that their leases are lost: the file is about to be
// unlocked.
func (ls *leases) end() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.ended = true
	for _, l := range ls.held {
		close(l.lost)
	}
	clear(ls.held)
}

func (l *lease) Fence() uint64         { return l.fence }
func (l *lease) Lost() <-chan struct{} { return l.lost }

func (l *lease) Release(context.Context) error {
	l.leases.give(l)
	return nil
}
