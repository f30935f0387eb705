package secret

import (
	"context"
	"errors"
	"time"

	"github.com/regate/regate/internal/state"
)

const (
	// trusted is how long a secret that was good is still taken for good while
	// the state cannot be asked. In that time nobody can revoke anything, and
	// whatever was revoked before is in the memory of each gate; only one that is
	// cut off from the others alone does not hear of what they revoke, for so long.
	trusted = time.Hour
	// mostTrusted are those that are used most, should there be more.
	mostTrusted = 10_000
)

// recall is read while the state answers. While it does not, it returns what it
// said of a secret that was good here lately: machines that keep a refresh
// token would else be logged out by an outage that everybody with a password
// survives. asked reports whether the state has said it now.
func (b *Book) recall(ctx context.Context, id string) (rec record, asked bool, err error) {
	val, err := b.store.Get(ctx, area+id)
	switch {
	case errors.Is(err, state.ErrNotFound):
		b.distrust(id)
		return record{}, true, ErrUnknown
	case err != nil:
		if rec, ok := b.good.Get(id); ok && ctx.Err() == nil {
			return rec, false, nil
		}
		return record{}, false, err
	}
	rec, err = parseRecord(id, val)
	return rec, true, err
}

// distrust forgets that a secret was good.
func (b *Book) distrust(id string) { b.good.SetUntil(id, record{}, time.Time{}) }
