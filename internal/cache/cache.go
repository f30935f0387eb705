package cache

import (
	"context"
	"time"

	"github.com/maypok86/otter/v2"
)

const (
	defaultSize = 10_000
	defaultTTL  = time.Minute
)

// Options bound a Cache.
type Options struct {
	Size int              // most entries; default 10000. The least useful ones make room.
	TTL  time.Duration    // life of an entry that does not say its own; default 1m
	Now  func() time.Time // the clock; default time.Now
}

func (o Options) withDefaults() Options {
	if o.Size <= 0 {
		o.Size = defaultSize
	}
	if o.TTL <= 0 {
		o.TTL = defaultTTL
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// A Cache maps keys to values for a while. Its methods may be called by
// several goroutines at once.
type Cache[K comparable, V any] struct {
	ttl     time.Duration
	now     func() time.Time
	entries *otter.Cache[K, entry[V]]
	flights Flights[K, V]
}

type entry[V any] struct {
	value V
	life  time.Duration
}

// New returns an empty cache.
func New[K comparable, V any](o Options) *Cache[K, V] {
	o = o.withDefaults()
	return &Cache[K, V]{
		ttl: o.TTL,
		now: o.Now,
		entries: otter.Must(&otter.Options[K, entry[V]]{
			MaximumSize: o.Size,
			Clock:       clock{o.Now, o.Now()},
			Executor:    func(maintain func()) { maintain() },
			ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[K, entry[V]]) time.Duration {
				return e.Value.life
			}),
		}),
	}
}

// Get returns the value of key; ok is false if there is none that is still
// alive.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	e, ok := c.entries.GetIfPresent(key)
	return e.value, ok
}

// Set keeps value for the cache's TTL.
func (c *Cache[K, V]) Set(key K, value V) { c.set(key, value, c.ttl) }

// SetUntil keeps value until then, if that is not over.
func (c *Cache[K, V]) SetUntil(key K, value V, then time.Time) {
	c.set(key, value, then.Sub(c.now()))
}

func (c *Cache[K, V]) set(key K, value V, life time.Duration) {
	if life <= 0 {
		c.entries.Invalidate(key)
		return
	}
	c.entries.Set(key, entry[V]{value, life})
}

// Do returns the value of key or, if there is none, calls load for it and
// keeps what that returns for the cache's TTL. Callers for the same key share
// one call of load, see Flights.Do; an error is shared, but not kept.
func (c *Cache[K, V]) Do(ctx context.Context, key K, load func(context.Context) (V, error)) (V, error) {
	if v, ok := c.Get(key); ok {
		return v, nil
	}
	again := func(ctx context.Context) (V, error) {
		if v, ok := c.Get(key); ok { // another flight landed since we looked
			return v, nil
		}
		return load(ctx)
	}
	return c.flights.do(ctx, call[K, V]{key, again, c.Set})
}

// A clock is a Now function as otter wants it. It follows the monotonic
// reading of the times, if they have one, and never ticks, so that otter
// starts no goroutine: entries that expired make room when others come.
type clock struct {
	now   func() time.Time
	start time.Time
}

func (c clock) NowNano() int64 { return c.start.UnixNano() + int64(c.now().Sub(c.start)) }

func (clock) Tick(time.Duration) <-chan time.Time { return nil }
