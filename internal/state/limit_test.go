package state

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestTake(t *testing.T) {
	l := Limit{Every: 10 * time.Second, Burst: 3}
	start := time.Unix(1000, 0)
	var bucket time.Time
	for _, step := range []struct {
		at   time.Duration
		cost int
		want time.Duration
	}{
		{0, 1, 0},
		{0, 2, 0},
		{0, 1, 10 * time.Second},
		{4 * time.Second, 1, 6 * time.Second},
		{4 * time.Second, 0, 0}, // whoever asks for nothing gets it
		{10 * time.Second, 1, 0},
		{10 * time.Second, 1, 10 * time.Second},
		{10 * time.Second, -1, 0},
		{10 * time.Second, 1, 0},
		{100 * time.Second, -5, 0}, // there is never more than the burst
		{100 * time.Second, 3, 0},
		{100 * time.Second, 1, 10 * time.Second},
		{200 * time.Second, 4, 10 * time.Second},
		{200 * time.Second, 100, 30 * time.Second},
		{200 * time.Second, 3, 0},
	} {
		var wait time.Duration
		bucket, wait = l.Take(bucket, start.Add(step.at), step.cost)
		if wait != step.want {
			t.Errorf("at %v, %d: wait %v, want %v", step.at, step.cost, wait, step.want)
		}
	}
}

// A burst that takes longer to come back than a Duration can say is no less of
// a burst.
func TestTakeOfWhatIsTooMuch(t *testing.T) {
	l := Limit{Every: 24 * time.Hour, Burst: 1_000_000}
	now := time.Unix(1000, 0)
	var bucket time.Time
	for i := range 3 {
		after, wait := l.Take(bucket, now, 1)
		if wait != 0 || !after.After(now) {
			t.Errorf("%d: wait %v, until %v", i, wait, after)
		}
		bucket = after
	}
	if after, wait := l.Take(bucket, now, 2*l.Burst); wait <= 0 || after != bucket {
		t.Errorf("more than the burst: wait %v, until %v", wait, after)
	}
	if after, wait := l.Take(bucket, now, -l.Burst); wait != 0 || after.After(now) {
		t.Errorf("given back: wait %v, until %v", wait, after)
	}
}

// Whatever the order, no more than Burst and one for each Every get through.
func TestTakeIsBounded(t *testing.T) {
	for range 200 {
		l := Limit{Every: time.Duration(1 + rand.IntN(1000)), Burst: 1 + rand.IntN(20)}
		var bucket time.Time
		taken, now := 0, time.Unix(1000, 0)
		begin := now
		for range 1000 {
			now = now.Add(time.Duration(rand.IntN(300)))
			cost := 1 + rand.IntN(3)
			next, wait := l.Take(bucket, now, cost)
			if wait == 0 {
				taken += cost
			} else if _, again := l.Take(next, now.Add(wait), cost); again != 0 && cost <= l.Burst {
				t.Fatalf("%+v: after the wait of %v it is %v", l, wait, again)
			}
			bucket = next
		}
		if most := l.Burst + int(now.Sub(begin)/l.Every) + 1; taken > most {
			t.Fatalf("%+v: %d taken in %v, want %d at most", l, taken, now.Sub(begin), most)
		}
	}
}
