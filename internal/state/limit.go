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
	after = bucket.Add(time.Duration(cost) * l.Every)
	if full := now.Add(time.Duration(l.Burst) * l.Every); cost > 0 && after.After(full) {
		return bucket, min(after.Sub(full), time.Duration(l.Burst)*l.Every)
	}
	return after, 0
}
