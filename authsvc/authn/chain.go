package authn

import (
	"context"
	"errors"
)

// A Chain asks one Authenticator after the other.
//
// The first one that knows the account settles the matter, one way or the
// other. One that could not tell does not stand in the way of the next: its
// error is returned only when none of the others knew the account, so that a
// broken directory locks out nobody but its own users.
type Chain []Authenticator

// Authenticate returns the identity from the first authenticator that knows
// the account, ErrWrongPassword if that one refused, ErrUnknownUser if all of
// them were asked and none knew it, and else the errors of those that could
// not tell.
func (c Chain) Authenticate(ctx context.Context, cred Credentials) (Identity, error) {
	var broken []error
	for _, a := range c {
		id, err := a.Authenticate(ctx, cred)
		switch {
		case err == nil, errors.Is(err, ErrWrongPassword):
			return id, err
		case !errors.Is(err, ErrUnknownUser):
			broken = append(broken, err)
		}
	}
	if len(broken) > 0 {
		return Identity{}, errors.Join(broken...)
	}
	return Identity{}, ErrUnknownUser
}
