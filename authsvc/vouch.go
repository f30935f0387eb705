package authsvc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/regate/regate/authsvc/authn"
)

// ErrGone says that whoever vouched for an account knows it no longer. It comes
// with authn.ErrUnknownUser.
var ErrGone = errors.New("the account is gone")

// ErrBlind says that whoever vouched for an account cannot look it up, and that
// nobody else has taken it meanwhile.
var ErrBlind = errors.New("the account cannot be looked up")

// A Voucher can say whether an account is still there that was known to it.
type Voucher struct {
	Key    string       // in the configuration, and in the records of what it vouches for
	Finder authn.Finder // nil can say nothing without the password
	// Elsewhere says that the accounts are in a directory or a database, which
	// all gates share. It is not asked at each login, and when it does not
	// answer, what it said last is good for a day.
	Elsewhere bool
}

// Vouchers are those of the chain who vouch for the owners of tokens, in its
// order. As in a login, the first that knows an account has it: a token is no
// longer good when somebody before the one that vouched for its owner has an
// account of that name, which may be anybody's. And as in a login, one before it
// that cannot tell stands in nobody's way: it locks out its own users alone.
//
// What was said of accounts elsewhere is remembered. Calls may overlap. The
// identities that they return are shared, and must not be changed.
type Vouchers struct{ all []voucher }

type voucher struct {
	Voucher
	memory *remembering // nil asks each time
}

func (v voucher) find(ctx context.Context, account string, since time.Time) (authn.Identity, error) {
	if v.memory == nil {
		return v.ask(ctx, account)
	}
	return v.memory.find(ctx, account, since)
}

func (v voucher) ask(ctx context.Context, account string) (authn.Identity, error) {
	if v.Finder == nil {
		return authn.Identity{}, authn.ErrUnknownUser
	}
	return v.Finder.Find(ctx, account)
}

// NewVouchers remembers by the clock now; nil is time.Now.
func NewVouchers(all []Voucher, now func() time.Time) *Vouchers {
	v := &Vouchers{make([]voucher, len(all))}
	for i, one := range all {
		v.all[i] = voucher{Voucher: one}
		if one.Elsewhere && one.Finder != nil {
			v.all[i].memory = newRemembering(one.Finder, now)
		}
	}
	return v
}

// Inherit has v know what was remembered by others, who are of the same
// configuration and were asked before.
func (v *Vouchers) Inherit(was *Vouchers) {
	for i, one := range v.all {
		if i < len(was.all) && one.memory != nil && was.all[i].memory != nil && one.Key == was.all[i].Key {
			one.memory.answers = was.all[i].memory.answers
		}
	}
}

// Find returns the account that the one with the key has vouched for, at a time.
// The error is authn.ErrUnknownUser if it does so no longer, and ErrGone as well
// if that is for good, or ErrBlind. Any other says that it could not be told.
func (v *Vouchers) Find(ctx context.Context, key, account string, vouched time.Time) (authn.Identity, error) {
	own := slices.IndexFunc(v.all, func(one voucher) bool { return one.Key == key })
	if own < 0 {
		return authn.Identity{}, fmt.Errorf("%w: %s vouched for it, which is not there any more", authn.ErrUnknownUser, key)
	}
	for i, one := range v.all {
		if i > own && one.Key != key {
			continue // it comes later than whoever vouches for the account
		}
		since := time.Time{}
		if one.Key == key {
			since = vouched
		}
		id, err := one.find(ctx, account, since)
		broken := err != nil && !errors.Is(err, authn.ErrUnknownUser)
		switch {
		case err == nil && one.Key == key && id.Account == account:
			return id, nil
		case err == nil && one.Key != key:
			return authn.Identity{}, fmt.Errorf("%w: the name is that of an account of %s", authn.ErrUnknownUser, one.Key)
		case broken && (one.Key == key || errors.Is(err, authn.ErrUndecided)):
			return authn.Identity{}, err
		}
	}
	return authn.Identity{}, v.gone(own)
}

// gone is the error of an account that is not there any more. One that is in a
// file of this gate may be there still for another gate.
func (v *Vouchers) gone(own int) error {
	if v.all[own].Finder == nil {
		return ErrBlind
	}
	if v.all[own].Elsewhere {
		return fmt.Errorf("%w: %w: %s knows it no longer", ErrGone, authn.ErrUnknownUser, v.all[own].Key)
	}
	return fmt.Errorf("%w: %s knows it no longer", authn.ErrUnknownUser, v.all[own].Key)
}

// Blind reports whether the one with the key cannot look accounts up.
func (v *Vouchers) Blind(key string) bool {
	return slices.ContainsFunc(v.all, func(one voucher) bool { return one.Key == key && one.Finder == nil })
}

// Holder returns who has an account now, and the account as it is written there.
// Nothing that was said before is believed, and one that cannot tell ends it with
// its error: a token must not be made for whoever is second while the first is
// down. The error is authn.ErrUnknownUser if nobody has it.
func (v *Vouchers) Holder(ctx context.Context, account string) (key string, id authn.Identity, err error) {
	for _, one := range v.all {
		id, err := one.ask(ctx, account)
		switch {
		case err == nil && id.Account != account: // those before it may know that name
			return v.holderOf(ctx, id.Account, account)
		case err == nil:
			return one.Key, id, nil
		case !errors.Is(err, authn.ErrUnknownUser):
			return "", authn.Identity{}, err
		}
	}
	return "", authn.Identity{}, authn.ErrUnknownUser
}

// holderOf is Holder of the name that somebody meant who wrote another.
func (v *Vouchers) holderOf(ctx context.Context, account, written string) (key string, id authn.Identity, err error) {
	for _, one := range v.all {
		id, err := one.ask(ctx, account)
		switch {
		case err == nil && id.Account == account:
			return one.Key, id, nil
		case err != nil && !errors.Is(err, authn.ErrUnknownUser):
			return "", authn.Identity{}, err
		}
	}
	return "", authn.Identity{}, fmt.Errorf("%w: %q is found as %q, which is not found", authn.ErrUnknownUser, written, account)
}
