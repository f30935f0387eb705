package authsvc

import (
	"context"
	"errors"
	"time"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/cache"
)

const (
	// recheck is how long it is believed of an account elsewhere that it is
	// there, or is not.
	recheck = 15 * time.Minute
	// kept is how long that is believed while nobody there answers.
	kept = 24 * time.Hour
	// askAgain is how long nobody waits for an answer again, once there was none.
	askAgain = time.Minute
)

// A remembering is what a Finder has said.
type remembering struct {
	finder  authn.Finder
	now     func() time.Time
	answers *cache.Cache[string, answered]
	asking  cache.Flights[string, authn.Identity]
}

// answered is what was said of an account: an identity, or that there is none.
type answered struct {
	id      authn.Identity
	unknown error     // authn.ErrUnknownUser, or nil
	said    time.Time // when
	stale   time.Time // from when on it is asked again
}

func newRemembering(f authn.Finder, now func() time.Time) *remembering {
	if now == nil {
		now = time.Now
	}
	return &remembering{finder: f, now: now, answers: cache.New[string, answered](cache.Options{TTL: kept, Now: now})}
}

// find is authn.Finder's Find of an account that was there at a time: that nobody
// knew it before, as here or at another gate somebody may have asked, is not
// believed. The zero time believes all.
func (r *remembering) find(ctx context.Context, account string, since time.Time) (authn.Identity, error) {
	last, known := r.answers.Get(account)
	if last.unknown != nil && last.said.Unix() <= since.Unix() { // the times of tokens are in seconds
		known = false
	}
	if known && r.now().Before(last.stale) {
		return last.id, last.unknown
	}
	id, err := r.asking.Do(ctx, account, func(ctx context.Context) (authn.Identity, error) { return r.finder.Find(ctx, account) })
	now := r.now()
	switch {
	case err == nil:
		r.answers.Set(account, answered{id: id, said: now, stale: now.Add(recheck)})
	case errors.Is(err, authn.ErrUnknownUser):
		r.answers.Set(account, answered{unknown: err, said: now, stale: now.Add(recheck)})
	case known && ctx.Err() == nil:
		last.stale = now.Add(askAgain)
		r.answers.SetUntil(account, last, last.said.Add(kept))
		return last.id, last.unknown
	}
	return id, err
}
