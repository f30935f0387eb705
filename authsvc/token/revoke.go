package token

import (
	"context"

	"github.com/regate/regate/internal/state"
)

// RevokeSubject refuses all tokens of an account that were issued up to now:
// here at once, at other gates within seconds. Whoever can log in still, can
// have new ones. The error is that of the Store, and then nothing is refused.
func (r *Revocations) RevokeSubject(ctx context.Context, account string) error {
	return r.revoke(ctx, kindSubject, account)
}

// RevokeToken refuses one token, by its jti, as the log of its request has it.
func (r *Revocations) RevokeToken(ctx context.Context, id string) error {
	return r.revoke(ctx, kindToken, id)
}

// RevokeFamily refuses all tokens that follow from secrets of package secret, by
// their ids, and the secrets themselves. Whoever ends one says so here as well.
func (r *Revocations) RevokeFamily(ctx context.Context, ids ...string) error {
	return r.revoke(ctx, kindFamily, ids...)
}

func (r *Revocations) revoke(ctx context.Context, kind string, ids ...string) error {
	until := digits(r.now())
	for _, id := range ids {
		if _, err := r.store.Put(ctx, keyOf(kind, id), until, state.PutOpts{TTL: remembered}); err != nil {
			return err
		}
	}
	_, err := r.load(ctx)
	return err
}
