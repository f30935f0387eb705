package authn

import (
	"context"
	"errors"
	"fmt"
)

// A Chain asks one Authenticator after the other, in this way:
//
//	what one says                       what follows
//	an identity                         it is the answer
//	ErrWrongPassword                    refused; nobody else is asked
//	ErrUndecided, whatever else it is   cannot tell; nobody else is asked
//	ErrUnknownUser                      the next one is asked
//	ErrBusy, or any other error         the next one is asked; if nobody after it knows the
//	                                    account, the answer is this error, and no refusal
//	the end                             ErrUnknownUser, if all of them were asked and could tell
//
// So the first that knows an account has it, whether it lets somebody in, turns
// somebody away, or is out of breath: else, in a flood of logins, somebody who
// has the name admin in a directory would be the admin of the file before it.
// One that cannot tell whether it knows the account stands in nobody's way, so
// that a broken directory locks out its own users alone. The price is that a
// name which two of them have goes over to the second while the first is down:
// what comes later has to be trusted with the names of what comes before.
//
// The account is the one in the identity: a directory knows admin as Admin too.
// Those before it, who did not know the name as it was written, are asked about
// the one that is meant, and what they know has the account.
type Chain []Authenticator

// Authenticate is Authenticator's.
func (c Chain) Authenticate(ctx context.Context, cred Credentials) (Identity, error) {
	var broken []error
	for i, a := range c {
		id, err := a.Authenticate(ctx, cred)
		switch {
		case err == nil && id.Account != cred.Account:
			return c[:i].confirm(ctx, cred, id)
		case err == nil:
			return id, nil
		case errors.Is(err, ErrWrongPassword), errors.Is(err, ErrUndecided):
			return Identity{}, err
		case !errors.Is(err, ErrUnknownUser):
			broken = append(broken, err)
		}
	}
	if len(broken) > 0 {
		return Identity{}, errors.Join(broken...)
	}
	return Identity{}, ErrUnknownUser
}

// confirm returns id, which somebody after c vouches for by another name than
// cred has, unless c knows that account itself.
func (c Chain) confirm(ctx context.Context, cred Credentials, id Identity) (Identity, error) {
	cred.Account = id.Account
	own, err := c.Authenticate(ctx, cred)
	if err == nil || errors.Is(err, ErrWrongPassword) || errors.Is(err, ErrUndecided) {
		return own, err
	}
	return id, nil
}

// Undecided adds ErrUndecided to what went wrong with an account that is known.
// A refusal, and nil, stay what they are.
func Undecided(err error) error {
	if err == nil || errors.Is(err, ErrWrongPassword) || errors.Is(err, ErrUnknownUser) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUndecided, err)
}
