package local

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/regate/regate/internal/state"
)

// buckets are kept in memory alone: a write to the disk for each wrong password
// would be a way to keep the disk busy, and nobody but this process shares them.
type buckets struct {
	mu    sync.Mutex           // guards what follows
	until map[string]time.Time // when each will be full again
	swept time.Time            // when full ones were last forgotten
	left  int                  // how many there were then
}

// mostBuckets bounds what strangers can fill, with about 150 bytes each. Those
// who come when there is no more room share one bucket.
const mostBuckets = 1 << 17

const noRoom = "\x00no room"

// Allow takes cost from a bucket.
func (s *Store) Allow(ctx context.Context, bucket string, limit state.Limit, cost int) (wait time.Duration, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return s.buckets.take(bucket, limit, cost, s.now()), nil
}

func (b *buckets) take(bucket string, limit state.Limit, cost int, now time.Time) (wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.until == nil {
		b.until = make(map[string]time.Time)
	}
	if _, known := b.until[bucket]; !known && !b.room(now) {
		bucket = noRoom
	}
	after, wait := limit.Take(b.until[bucket], now, cost)
	if after.After(now) {
		b.until[bucket] = after
	} else {
		delete(b.until, bucket)
	}
	return wait
}

// room reports whether there is place for another bucket. From time to time it
// forgets the full ones: when there are twice as many as were left before, but
// not with every stranger, since it looks at all of them.
func (b *buckets) room(now time.Time) bool {
	if len(b.until) > 2*b.left+1024 && now.Sub(b.swept) > sweepPause {
		maps.DeleteFunc(b.until, func(_ string, until time.Time) bool { return !until.After(now) })
		b.swept, b.left = now, min(len(b.until), mostBuckets/2-1024)
	}
	return len(b.until) < mostBuckets
}

const sweepPause = time.Second
