package secret

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/internal/state"
)

const (
	usedEvery  = time.Hour // between two notes of the use of one secret
	usesAtOnce = 256       // notes that can wait; more are left for the next use
)

// A use is one that is to be noted.
type use struct {
	id    string
	at    time.Time
	until time.Time // a refresh token lasts from then on
}

// note has Run write that t was used, if it was not so lately. It does not wait.
func (b *Book) note(t Token, until time.Time) {
	now := b.now()
	if now.Sub(t.Used) < usedEvery {
		return
	}
	if _, noted := b.touched.Get(t.ID); noted {
		return
	}
	select {
	case b.used <- use{t.ID, now, until}:
		b.touched.Set(t.ID, struct{}{})
	default:
	}
}

// Run notes when secrets are used, until ctx is done.
func (b *Book) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case u := <-b.used:
			b.noteNow(ctx, u)
		}
	}
}

// noteNow writes u. A secret that has changed meanwhile is left as it is:
// another gate has noted the same, or it was revoked.
func (b *Book) noteNow(ctx context.Context, u use) {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	err := b.stamp(ctx, u)
	if err == nil || errors.Is(err, state.ErrConflict) || errors.Is(err, ErrUnknown) || ctx.Err() != nil {
		return
	}
	b.log.Warn("the use of a token was not noted", zap.String("token", u.id), zap.Error(err))
}

// stamp also puts back the index of a record that has lost it, so that its
// owner can find and revoke what is in use.
func (b *Book) stamp(ctx context.Context, u use) error {
	rec, rev, err := b.read(ctx, u.id)
	if err != nil {
		return err
	}
	rec.Used = seconds(u.at)
	if rec.Kind == Refresh {
		rec.Expires = seconds(u.until)
	}
	val, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	t := rec.token(u.id)
	opts := state.PutOpts{TTL: t.left(b.now())}
	if t.Kind == Refresh { // the index would end before what it leads to
		if _, err := b.store.Put(ctx, index(t.Owner, t.ID), indexed(t), opts); err != nil {
			return err
		}
	}
	opts.IfRev = &rev
	if _, err := b.store.Put(ctx, area+t.ID, val, opts); err != nil || t.Kind == Refresh {
		return err
	}
	opts.IfRev = new(uint64)
	_, err = b.store.Put(ctx, index(t.Owner, t.ID), indexed(t), opts)
	return err
}
