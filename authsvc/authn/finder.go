package authn

import (
	"context"
	"errors"
)

// A Finder looks up an account that has proved before who it is, for the
// tokens that outlive its login. An Authenticator that can do so implements it
// as well.
//
// Find returns ErrUnknownUser if there is no such account, or one that nobody
// could log in as, such as the anonymous. Any other error means that it could
// not tell: it says nothing about the account. Calls may overlap.
type Finder interface {
	Find(ctx context.Context, account string) (Identity, error)
}

var _ Finder = Chain(nil)

// Find is Finder's: it asks those of the chain that are Finders, in their order,
// until one knows the account. Others are skipped, so that ErrUnknownUser says
// nothing about the accounts of those.
//
// One that cannot tell ends it with its error. In a login the next one is asked
// then, as somebody waits; here nobody does, and what the next one says could
// be about somebody else.
func (c Chain) Find(ctx context.Context, account string) (Identity, error) {
	for i, a := range c {
		f, ok := a.(Finder)
		if !ok {
			continue
		}
		id, err := f.Find(ctx, account)
		switch {
		case err == nil && id.Account != account:
			return c[:i].confirmFound(ctx, id)
		case err == nil:
			return id, nil
		case !errors.Is(err, ErrUnknownUser):
			return Identity{}, err
		}
	}
	return Identity{}, ErrUnknownUser
}

// confirmFound returns id, whom somebody after c found by another name, unless
// c knows that account itself, as confirm does in a login.
func (c Chain) confirmFound(ctx context.Context, id Identity) (Identity, error) {
	own, err := c.Find(ctx, id.Account)
	if errors.Is(err, ErrUnknownUser) {
		return id, nil
	}
	return own, err
}
