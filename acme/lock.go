package acme

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/regate/regate/internal/state"
)

const (
	lockTTL   = 30 * time.Second // how long a crash keeps others waiting
	lockRetry = time.Second
	lockArea  = area + "locks/"
)

// A lock is one of certmagic's locks in this process. certmagic allows one
// holder; the others of this process wait beside those of other replicas.
type lock struct {
	lease   state.Lease // nil while it is only waited for
	waiting int
}

// Lock implements certmagic.Locker: it waits until the lease is ours.
func (s *storage) Lock(ctx context.Context, name string) error {
	s.count(name, 1)
	defer s.count(name, -1)
	for {
		ok, err := s.TryLock(ctx, name)
		if ok || err != nil {
			return err
		}
		retry := time.NewTimer(lockRetry)
		select {
		case <-ctx.Done():
			retry.Stop()
			return ctx.Err()
		case <-retry.C:
		}
	}
}

// TryLock implements certmagic.TryLocker.
func (s *storage) TryLock(ctx context.Context, name string) (bool, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	lease, err := s.store.Acquire(ctx, lockArea+name, lockTTL)
	if errors.Is(err, state.ErrHeld) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", name, err)
	}
	if !s.keep(name, lease) {
		return false, fmt.Errorf("lock %s: %w", name, errors.Join(context.Canceled, s.release(ctx, lease)))
	}
	return true, nil
}

// release gives a lease back, even if ctx has ended.
func (s *storage) release(ctx context.Context, lease state.Lease) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.deadline)
	defer cancel()
	return lease.Release(ctx)
}

// keep notes a lease for releaseAll, unless that is over.
func (s *storage) keep(name string, lease state.Lease) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.Err() != nil {
		return false
	}
	s.entry(name).lease = lease
	return true
}

// Unlock implements certmagic.Locker. Close does not keep a lock from being
// given back either.
func (s *storage) Unlock(ctx context.Context, name string) error {
	lease := s.take(name)
	if lease == nil {
		return fmt.Errorf("lock %s is not held", name)
	}
	defer s.releasing.Done()
	return s.release(ctx, lease)
}

func (s *storage) take(name string) state.Lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.locks[name]
	if l == nil || l.lease == nil {
		return nil
	}
	lease := l.lease
	l.lease = nil
	s.prune(name)
	s.releasing.Add(1)
	return lease
}

// RenewLockLease implements certmagic.LockLeaseRenewer, which certmagic calls
// before each attempt. The lease keeps itself alive, whatever duration is asked
// for: one of hours would outlive a crash by hours. What certmagic learns is
// whether it still holds the lock; if not, it gives the attempt up.
func (s *storage) RenewLockLease(_ context.Context, name string, _ time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.locks[name]; l != nil && l.lease != nil {
		select {
		case <-l.lease.Lost():
		default:
			return nil
		}
	}
	return fmt.Errorf("lock %s was lost", name)
}

// busy reports whether this process holds the lock called name or waits for it.
func (s *storage) busy(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.locks[name] != nil
}

// fence is that of the lock under which certmagic gets the certificate in dir,
// so that a holder that lost its lock cannot write over its successor's.
func (s *storage) fence(dir string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, l := range s.locks {
		if l.lease != nil && certmagic.StorageKeys.Safe(name) == issueLock(path.Base(dir)) {
			return l.lease.Fence()
		}
	}
	return 0
}

// issueLock is the name of certmagic's lock around getting host a certificate.
func issueLock(host string) string { return "issue_cert_" + host }

// releaseAll gives back what certmagic still holds after end, so that another
// replica, or this one after a restart, need not wait for the leases to end.
func (s *storage) releaseAll() {
	s.mu.Lock()
	var leases []state.Lease
	for _, l := range s.locks {
		if l.lease != nil {
			leases = append(leases, l.lease)
			l.lease = nil
		}
	}
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), s.deadline)
	defer cancel()
	for _, l := range leases {
		if err := l.Release(ctx); err != nil {
			s.log.Warn("lock could not be given back", zap.Error(err))
		}
	}
	s.releasing.Wait()
}

func (s *storage) count(name string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entry(name).waiting += n
	s.prune(name)
}

// entry and prune need mu.
func (s *storage) entry(name string) *lock {
	if s.locks[name] == nil {
		s.locks[name] = &lock{}
	}
	return s.locks[name]
}

func (s *storage) prune(name string) {
	if l := s.locks[name]; l != nil && l.lease == nil && l.waiting == 0 {
		delete(s.locks, name)
	}
}
