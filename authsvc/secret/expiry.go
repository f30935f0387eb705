package secret

import (
	"context"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

const (
	// lookEvery is how often all secrets are looked at: with a million of them
	// that takes a second.
	lookEvery = time.Hour
	// warnWithin is how long before its end there is a warning of a secret, once
	// a day.
	warnWithin = 7 * day
	// mostWarnings bounds what is logged in a day.
	mostWarnings = 100
)

// horizons are those within which the secrets of robots that end are counted.
var horizons = [...]struct {
	name string
	life time.Duration
}{{"1d", day}, {"7d", 7 * day}, {"30d", 30 * day}}

// Ending counts the secrets of robots that will end soon, and warns of them. Those
// that have been replaced by another are to end, and are left out. It keeps no
// list of them: what it holds is as small with a million secrets as with one.
type Ending struct {
	book   *Book
	counts atomic.Pointer[map[string]int]
	warned int // the day of the last warnings
}

// NewEnding makes an Ending over the secrets of b. Run looks at them.
func NewEnding(b *Book) *Ending {
	e := &Ending{book: b}
	e.counts.Store(&map[string]int{})
	return e
}

// Counts are how many secrets end within "1d", "7d" and "30d", by that; empty
// before the first look.
func (e *Ending) Counts() map[string]int { return *e.counts.Load() }

// Run looks at all secrets now and then, until ctx is done.
func (e *Ending) Run(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		if err := e.look(ctx); err != nil && ctx.Err() == nil {
			e.book.log.Warn("it cannot be told which secrets of robots end soon", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// look counts, and warns if this is the first look of the day (UTC).
func (e *Ending) look(ctx context.Context) error {
	now, counts := e.book.now(), map[string]int{}
	for _, h := range horizons {
		counts[h.name] = 0
	}
	today := int(now.Unix() / int64(day/time.Second))
	warnings := 0
	for t, err := range e.book.All(ctx) {
		switch {
		case err != nil && t.ID == "":
			return err
		case err != nil || t.Kind != Robot || t.Replaced || t.Expires.IsZero() || t.Expired(now):
			continue
		}
		left := t.Expires.Sub(now)
		for _, h := range horizons {
			if left <= h.life {
				counts[h.name]++
			}
		}
		if left <= warnWithin && today != e.warned {
			warnings++
			e.warn(t, warnings)
		}
	}
	if warnings > mostWarnings {
		e.book.log.Warn("secrets of more robots end soon: see regate token list", zap.Int("robots", warnings-mostWarnings))
	}
	e.warned = today
	e.counts.Store(&counts)
	return nil
}

func (e *Ending) warn(t Token, nth int) {
	if nth > mostWarnings {
		return
	}
	e.book.log.Warn("the secret of a robot ends soon: give it another with regate token rotate",
		zap.String("robot", t.Name), zap.String("subject", t.Owner), zap.String("family", t.ID), zap.Time("expires", t.Expires))
}
