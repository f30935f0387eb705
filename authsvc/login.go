package authsvc

import (
	"context"
	"errors"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/guard"
	"github.com/regate/regate/authsvc/password"
)

// A Login asks the chain who somebody is, but not twice within the life of
// the cache of good passwords, and so that nobody can tell from the time it
// takes whether an account exists.
type Login struct {
	chain authn.Authenticator
	known *password.Cache[authn.Identity]
	guard *guard.Guard
	decoy func(ctx context.Context, password string) error
}

// NewLogin puts a cache before chain, and decoy behind it: what takes as long
// as a comparison with a hash, for the accounts that nobody knows. The guard
// stands between them, so that nobody who knows the password is ever held up by
// somebody who does not; nil lets everybody try.
func NewLogin(chain authn.Authenticator, known *password.Cache[authn.Identity], g *guard.Guard, decoy func(ctx context.Context, password string) error) *Login {
	return &Login{chain, known, g, decoy}
}

// Authenticate returns the identity behind c, or an error as authn.Authenticator
// says, or a *guard.Limited.
func (l *Login) Authenticate(ctx context.Context, c authn.Credentials) (authn.Identity, error) {
	switch {
	case c.Anonymous():
		return l.chain.Authenticate(ctx, c)
	case isOurs(c.Password):
		return authn.Identity{}, authn.ErrUnknownUser
	}
	ctx = password.From(ctx, c.From)
	return l.known.Do(ctx, c.Account, c.Password.Reveal(), func(ctx context.Context) (authn.Identity, error) {
		return l.try(ctx, c)
	})
}

// try asks the chain, as often as the guard lets somebody try. A refusal that
// no comparison was needed for takes the time of one only when it has been
// counted: whoever leaves in that time, or is told that too many wait, would
// else guess as often as they like.
func (l *Login) try(ctx context.Context, c authn.Credentials) (id authn.Identity, err error) {
	ctx, compared := password.Watch(ctx)
	asked := false
	err = l.guarded(ctx, c, func(ctx context.Context) (err error) {
		asked = true
		id, err = l.ask(ctx, c)
		return err
	})
	if asked && TurnedAway(err) && !compared() {
		return id, l.absent(ctx, c, err)
	}
	return id, err
}

func (l *Login) guarded(ctx context.Context, c authn.Credentials, check func(context.Context) error) error {
	if l.guard == nil {
		return check(ctx)
	}
	return l.guard.Try(ctx, guard.Try{From: c.From, Account: c.Account, Password: c.Password.Reveal()}, check)
}

// ask asks the chain.
func (l *Login) ask(ctx context.Context, c authn.Credentials) (authn.Identity, error) {
	id, err := l.chain.Authenticate(ctx, c)
	if err == nil && !isName(id.Account) { // as the back end spells it
		return authn.Identity{}, errNoName
	}
	return id, err
}

// errNoName is no refusal: whoever wrote the name must mend it.
var errNoName = errors.New("the back end gives the account a name with control characters, or longer than 256 bytes")

// TurnedAway reports whether err says that a password is wrong or an account
// unknown, and not that it could not be told.
func TurnedAway(err error) bool {
	return errors.Is(err, authn.ErrUnknownUser) || errors.Is(err, authn.ErrWrongPassword)
}

// absent spends the time of a comparison on an account that nobody knows, and
// on one that a directory knows, which needs none to turn somebody away: in the
// time it would be seen who is in the directory.
func (l *Login) absent(ctx context.Context, c authn.Credentials, err error) error {
	if busy := l.decoy(ctx, c.Password.Reveal()); busy != nil {
		return busy
	}
	return err
}
