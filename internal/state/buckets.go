package state

import (
	"maps"
	"sync"
	"time"
)

// Buckets are those of Limits, in the memory of one process: for an engine that
// nobody shares, and for whoever cannot reach the one that all share. The zero
// Buckets are full. Their methods may be called by several goroutines at once.
type Buckets struct {
	mu    sync.Mutex           // guards what follows
	until map[string]time.Time // when each will be full again
	swept time.Time            // when full ones were last forgotten
	left  int                  // how many there were then
}

// mostBuckets bounds what strangers can fill, with about 150 bytes each. Those
// who come when there is no more room share one bucket.
const mostBuckets = 1 << 17

const noRoom = "\x00no room"

// Take is Store.Allow's.
func (b *Buckets) Take(bucket string, limit Limit, cost int, now time.Time) (wait time.Duration) {
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
func (b *Buckets) room(now time.Time) bool {
	if len(b.until) > 2*b.left+1024 && now.Sub(b.swept) > sweepPause {
		maps.DeleteFunc(b.until, func(_ string, until time.Time) bool { return !until.After(now) })
		b.swept, b.left = now, min(len(b.until), mostBuckets/2-1024)
	}
	return len(b.until) < mostBuckets
}

const sweepPause = time.Second
