package state

import "time"

// A Limit is how often something may happen: Burst times at once, and then once
// in each time of Every. Both are above zero.
type Limit struct {
	Every time.Duration
	Burst int
}

// Take is the arithmetic that all engines share (GCRA: ITU-T I.371, "generic
// cell rate algorithm"). A bucket is one time, the one at which all that was
// taken will have come back; the zero time is a full one. Take returns the
// bucket after cost was taken, or given back if it is negative, and zero; or,
// if there is not so much, the bucket as it was and the time until there is.
//
// What can never be there, a cost above Burst, is asked for again after the
// time that it takes to fill the bucket.
func (l Limit) Take(bucket, now time.Time, cost int) (after time.Time, wait time.Duration) {
	if bucket.Before(now) {
		bucket = now
	}
	after = bucket.Add(l.times(cost))
	if full := now.Add(l.times(l.Burst)); cost > 0 && after.After(full) {
		return bucket, min(after.Sub(full), l.times(l.Burst))
	}
	return after, 0
}

// times is n times Every, or a hundred years if it is longer than that: twice
// as much is still a Duration.
func (l Limit) times(n int) time.Duration {
	const longest = 100 * 365 * 24 * time.Hour
	if most := int(longest / l.Every); n > most || n < -most {
		return time.Duration(max(-1, min(n, 1))) * longest
	}
	return time.Duration(n) * l.Every
}
