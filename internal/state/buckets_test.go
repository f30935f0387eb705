package state

import (
	"fmt"
	"testing"
	"time"
)

func TestBucketsAreForgottenWhenFull(t *testing.T) {
	var b Buckets
	limit := Limit{Every: time.Second, Burst: 2}
	now := time.Unix(1000, 0)
	for i := range 100_000 {
		b.Take(fmt.Sprint(i), limit, 1, now.Add(time.Duration(i)*time.Millisecond))
	}
	if n := len(b.until); n > 10_000 {
		t.Errorf("%d buckets are kept, of which a thousand are not full", n)
	}
}

// Strangers without number get no more than one would, and take no room.
func TestBucketsAreBounded(t *testing.T) {
	var b Buckets
	limit := Limit{Every: time.Hour, Burst: 2}
	now := time.Unix(1000, 0)
	allowed := 0
	for i := range mostBuckets + 10_000 {
		if b.Take(fmt.Sprint(i), limit, 1, now) == 0 {
			allowed++
		}
	}
	if len(b.until) > mostBuckets+1 || allowed != mostBuckets+limit.Burst {
		t.Errorf("%d buckets, %d allowed; want %d of each, and the burst of one more", len(b.until), allowed, mostBuckets)
	}
	if b.Take("0", limit, 1, now) != 0 || b.Take("0", limit, 1, now) == 0 {
		t.Error("a bucket that is known is not its own any more")
	}
}
