package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/regate/regate/internal/state"
)

// fenceLife is how long the last fence of a lease is remembered, beyond what
// the clock alone guarantees.
const fenceLife = 7 * 24 * time.Hour

// A lease is a key with the name of its owner that ends by itself. The owner
// renews it three times in its life, and takes it for lost when none got
// through for two thirds of that, by its own clock and from before it asked:
// then nobody else can have it yet, unless a fail-over has lost it. What is
// left is for the fence.
type lease struct {
	store *Store
	name  string
	owner string
	ttl   time.Duration
	fence uint64

	lost chan struct{}
	done context.CancelFunc // ends beat
	last *time.Timer        // loses it
	once sync.Once          // lost is closed or never will be
}

type leases struct {
	mu    sync.Mutex // guards what follows
	held  map[*lease]struct{}
	ended bool
}

// Acquire takes the lease called name.
func (s *Store) Acquire(ctx context.Context, name string, ttl time.Duration) (state.Lease, error) {
	if ttl <= 0 {
		return nil, fmt.Errorf("lease %s: a ttl of %v is none", name, ttl)
	}
	l := &lease{store: s, name: name, owner: rand.Text(), ttl: ttl, lost: make(chan struct{})}
	asked := time.Now()
	if err := s.do(ctx, func() error { return l.take(ctx) }); err != nil {
		if !isOurs(err) {
			l.giveUp() // it may have been taken
		}
		return nil, fmt.Errorf("lease %s: %w", name, err)
	}
	beating, done := context.WithCancel(s.ends)
	l.done = done
	l.last = time.AfterFunc(longest, l.lose) // whoever loses it finds all that is to be ended
	s.leases.add(l)
	l.last.Reset(l.patience(asked))
	s.task(func() { l.beat(beating) })
	return l, nil
}

func (l *lease) take(ctx context.Context) error {
	n := l.store.names
	keys := []string{n.lease(l.name), n.fence(l.name)}
	text, err := acquireScript.Run(ctx, l.store.db, keys, l.owner, milliseconds(l.ttl), fenceLife.Milliseconds()).Text()
	if errors.Is(err, redis.Nil) {
		return state.ErrHeld
	}
	if err != nil {
		return err
	}
	l.fence, err = strconv.ParseUint(text, 10, 64)
	return err
}

// renew keeps the lease for ttl, or with 0 gives it back.
func (l *lease) renew(ctx context.Context, ttl time.Duration) (still bool, err error) {
	err = l.store.do(ctx, func() error {
		still, err = renewScript.Run(ctx, l.store.db, []string{l.store.names.lease(l.name)}, l.owner, milliseconds(ttl)).Bool()
		return err
	})
	return still, err
}

// beat renews the lease until it is lost or released.
func (l *lease) beat(ctx context.Context) {
	tick := time.NewTicker(max(l.ttl/6, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.lost:
			return
		case <-tick.C:
		}
		asked := time.Now()
		still, err := l.renew(ctx, l.ttl)
		switch {
		case err != nil: // patience decides
		case !still:
			l.lose()
		default:
			l.last.Reset(l.patience(asked))
		}
	}
}

// patience is how long the lease is good from now, after a renewal that was
// asked for at a time.
func (l *lease) patience(asked time.Time) time.Duration {
	return max(0, 2*l.ttl/3-time.Since(asked))
}

func (l *lease) lose() {
	l.once.Do(func() {
		close(l.lost)
		l.end()
	})
}

func (l *lease) end() {
	l.last.Stop()
	l.done()
	l.store.leases.remove(l)
}

// giveUp gives back what may have been taken, when nobody waits for it.
func (l *lease) giveUp() {
	l.store.task(func() {
		ctx, cancel := context.WithTimeout(l.store.ends, replyTime)
		defer cancel()
		_, _ = l.renew(ctx, 0) // it ends by itself
	})
}

func (l *lease) Fence() uint64         { return l.fence }
func (l *lease) Lost() <-chan struct{} { return l.lost }

// Release gives the lease back. Should that fail it ends within its ttl.
func (l *lease) Release(ctx context.Context) error {
	held := false
	l.once.Do(func() {
		held = true
		l.end()
	})
	if !held {
		return nil
	}
	if _, err := l.renew(ctx, 0); err != nil {
		return fmt.Errorf("release %s: %w", l.name, err)
	}
	return nil
}

func (ls *leases) add(l *lease) {
	ls.mu.Lock()
	ended := ls.ended
	if ls.held == nil {
		ls.held = make(map[*lease]struct{})
	}
	ls.held[l] = struct{}{}
	ls.mu.Unlock()
	if ended {
		l.lose()
	}
}

func (ls *leases) remove(l *lease) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	delete(ls.held, l)
}

// end loses all leases.
func (ls *leases) end() {
	ls.mu.Lock()
	ls.ended = true
	held := make([]*lease, 0, len(ls.held))
	for l := range ls.held {
		held = append(held, l)
	}
	ls.mu.Unlock()
	for _, l := range held {
		l.lose()
	}
}
