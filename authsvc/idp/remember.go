package idp

import (
	"context"
	"sync"
	"time"

	"github.com/regate/regate/internal/cache"
)

// failurePause is how long a provider that gave no answer is not asked again.
const failurePause = 5 * time.Second

// remembered is something that a provider publishes. It is asked for when it is
// needed first, by one of those who wait for it, and kept: what is old serves on
// while there is nothing newer to be had.
type remembered[T any] struct {
	load    func(context.Context) (T, error)
	now     func() time.Time
	rest    time.Duration // how long it is not asked for after a failure while there is an old value; 0 is failurePause
	flights cache.Flights[struct{}, T]

	mu      sync.Mutex // guards what is below
	value   T
	loaded  time.Time // zero if there is no value
	failed  time.Time
	failure error
}

// get returns the value if it is younger than age, else a new one if there is
// one to be had, else the old one.
func (r *remembered[T]) get(ctx context.Context, age time.Duration) (T, error) {
	value, err, enough := r.known(age)
	if enough {
		return value, err
	}
	value, err = r.flights.Do(ctx, struct{}{}, r.renew)
	if old, ok := r.old(); err != nil && ok {
		return old, nil
	}
	return value, err
}

func (r *remembered[T]) known(age time.Duration) (value T, err error, enough bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	switch {
	case r.loaded.IsZero() && now.Sub(r.failed) < failurePause:
		return value, r.failure, true
	case r.loaded.IsZero():
		return value, nil, false
	}
	return r.value, nil, now.Sub(r.loaded) < age || now.Sub(r.failed) < max(r.rest, failurePause)
}

func (r *remembered[T]) renew(ctx context.Context) (T, error) {
	value, err := r.load(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.value, r.loaded, r.failure = value, r.now(), nil
	case ctx.Err() == nil: // whoever asked is still there
		r.failed, r.failure = r.now(), err
	}
	return value, err
}

func (r *remembered[T]) old() (T, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.value, !r.loaded.IsZero()
}

// since says when the value was loaded, and why there is no newer one: nil if
// nobody has failed to get one.
func (r *remembered[T]) since() (loaded time.Time, failure error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.loaded, r.failure
}
