package secret

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/state"
)

// liveSecrets is how many secrets of a robot can be good at the same time: the
// one that all its machines will have soon, and the one that some still have.
const liveSecrets = 2

var (
	// ErrExists says that there is a robot of that name already.
	ErrExists = errors.New("there is such a robot already")
	// ErrNoRobot says that there is none of that name.
	ErrNoRobot = errors.New("there is no such robot")
)

// Robot returns the secrets of a robot, the newest first, also those that have
// expired lately.
func (b *Book) Robot(ctx context.Context, owner, name string) ([]Token, error) {
	all, err := b.List(ctx, owner)
	return slices.DeleteFunc(all, func(t Token) bool { return t.Kind != Robot || t.Name != name }), err
}

// alive are those that are still good.
func (b *Book) alive(all []Token) []Token {
	return slices.DeleteFunc(slices.Clone(all), func(t Token) bool { return t.Expired(b.now()) })
}

// newRobot returns an error unless t can be the first secret of a robot.
func (b *Book) newRobot(ctx context.Context, t Token) error {
	if err := CheckName(Robot, t.Name); err != nil {
		return err
	}
	all, err := b.Robot(ctx, t.Owner, t.Name)
	if err == nil && len(b.alive(all)) > 0 {
		err = fmt.Errorf("%w: %q of %q; give it another secret with regate token rotate", ErrExists, t.Name, t.Owner)
	}
	return err
}

// A Rotation gives a robot another secret.
type Rotation struct {
	Owner, Name string
	Method      string        // that vouches for the owner
	Keep        time.Duration // for which the secrets that the robot has stay good; 0 ends them now
	// Expires gives the new secret its end; nil lets it be good for as long as
	// the one before it.
	Expires *time.Time
}

// Rotated is what became of a rotation.
type Rotated struct {
	Text  authn.Secret
	New   Token
	Ended []Token // at once
	Kept  []Token // for a while
}

// Rotate makes another secret of a robot, and has those that it has end. There
// are never more than two: ErrTooMany says that the one before the last must
// have ended first, unless nothing is to be kept.
func (b *Book) Rotate(ctx context.Context, r Rotation) (done Rotated, err error) {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	b.robots.Lock()
	defer b.robots.Unlock()
	all, err := b.Robot(ctx, r.Owner, r.Name)
	if err != nil {
		return done, err
	}
	old := b.alive(all)
	switch {
	case len(all) == 0:
		return done, fmt.Errorf("%w: %q of %q", ErrNoRobot, r.Name, r.Owner)
	case len(old) >= liveSecrets && r.Keep > 0:
		return done, fmt.Errorf("%w: %d secrets of %q are good, and there is another only when one of them has ended (the next does at %s), or if none is to be kept (--keep 0s)",
			ErrTooMany, len(old), r.Name, firstEnd(old).UTC().Format(time.RFC3339))
	}
	next := b.after(lastOf(all), r)
	if err := b.room(ctx, next); err != nil {
		return done, err
	}
	if done.Text, done.New, err = b.create(ctx, next); err != nil {
		return done, err
	}
	for _, t := range old {
		if t, err = b.replace(ctx, t, r.Keep); err != nil {
			b.forget(ctx, done.New)
			return Rotated{}, fmt.Errorf("the secret before was not ended: %w", err)
		}
		if r.Keep > 0 {
			done.Kept = append(done.Kept, t)
		} else {
			done.Ended = append(done.Ended, t)
		}
	}
	return done, nil
}

// firstEnd is when the first of several secrets ends, of which one does.
func firstEnd(all []Token) (end time.Time) {
	for _, t := range all {
		if !t.Expires.IsZero() && (end.IsZero() || t.Expires.Before(end)) {
			end = t.Expires
		}
	}
	return end
}

// lastOf is the secret that the others were replaced by. Two may be of the same
// second.
func lastOf(all []Token) Token {
	if i := slices.IndexFunc(all, func(t Token) bool { return !t.Replaced }); i >= 0 {
		return all[i]
	}
	return all[0]
}

// after is the secret that follows last.
func (b *Book) after(last Token, r Rotation) Token {
	next := Token{Kind: Robot, Owner: r.Owner, Method: r.Method, Name: r.Name, Within: last.Within}
	switch {
	case r.Expires != nil:
		next.Expires = *r.Expires
	case !last.Expires.IsZero():
		next.Expires = b.now().Add(last.life())
	}
	return next
}

// replace has t end when it was kept for so long, or before, if it would.
func (b *Book) replace(ctx context.Context, t Token, keep time.Duration) (Token, error) {
	if keep <= 0 {
		return t, b.remove(ctx, t.Owner, t.ID)
	}
	for range 5 {
		rec, rev, err := b.read(ctx, t.ID)
		if err != nil {
			return t, err
		}
		end := b.now().Add(keep)
		if t = rec.token(t.ID); t.Expires.IsZero() || t.Expires.After(end) {
			t.Expires = end
		}
		rec.Expires, rec.Replaced, t.Replaced = seconds(t.Expires), true, true
		val, err := json.Marshal(rec)
		if err != nil {
			return t, err
		}
		_, err = b.store.Put(ctx, area+t.ID, val, state.PutOpts{IfRev: &rev, TTL: t.left(b.now())})
		b.distrust(t.ID)
		if !errors.Is(err, state.ErrConflict) { // or its use was noted meanwhile
			return t, err
		}
	}
	return t, state.ErrConflict
}
