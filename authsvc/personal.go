package authsvc

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/secret"
)

// Personal lets those in who show a personal token in the place of a password,
// and leaves everybody else to those who know passwords. Nothing is remembered:
// a token that was revoked is good for nothing at the next login.
type Personal struct {
	book    *secret.Book
	methods map[string]authn.Finder
	others  authn.Authenticator
}

// NewPersonal makes a Personal over the tokens in book. methods are the ways to
// log in that can vouch for their owners, by name; others are asked about
// everybody who shows no token.
func NewPersonal(book *secret.Book, methods map[string]authn.Finder, others authn.Authenticator) *Personal {
	return &Personal{book, methods, others}
}

// Authenticate is authn.Authenticator's.
func (p *Personal) Authenticate(ctx context.Context, c authn.Credentials) (authn.Identity, error) {
	if !isPersonal(c) {
		return p.others.Authenticate(ctx, c)
	}
	t, err := p.book.Verify(ctx, c.Password)
	switch {
	case errors.Is(err, secret.ErrMalformed), errors.Is(err, secret.ErrUnknown), errors.Is(err, secret.ErrExpired):
		return authn.Identity{}, fmt.Errorf("%w: %w", authn.ErrWrongPassword, err)
	case err != nil:
		return authn.Identity{}, authn.Undecided(err)
	case t.Kind != secret.Personal || !means(c.Account, t.Owner):
		return authn.Identity{}, fmt.Errorf("%w: the token is another account's", authn.ErrWrongPassword)
	}
	return p.vouched(ctx, t)
}

// isPersonal reports whether the password looks like a personal token.
func isPersonal(c authn.Credentials) bool {
	return !c.Certified() && strings.HasPrefix(c.Password.Reveal(), secret.Prefix)
}

// badToken is what somebody is told whose token is not good. As with passwords
// it is the same whatever the cause, so that nobody learns what there is.
func badToken(origin string, err error) error {
	return unauthenticated("this token is not good (any more) for this user name: see " + origin + "/tokens").Because(err)
}

// vouched returns the owner of a token, if the login that it was made with
// still vouches for them.
func (p *Personal) vouched(ctx context.Context, t secret.Token) (authn.Identity, error) {
	method := p.methods[t.Method]
	if method == nil {
		return authn.Identity{}, fmt.Errorf("%w: the token was made by %s, which is not there any more", authn.ErrWrongPassword, t.Method)
	}
	id, err := method.Find(ctx, t.Owner)
	if errors.Is(err, authn.ErrUnknownUser) {
		return authn.Identity{}, fmt.Errorf("%w: %s vouches for the token's owner no longer: %w", authn.ErrWrongPassword, t.Method, err)
	}
	return id, authn.Undecided(err)
}

// means reports whether somebody who writes name means owner. Providers whose
// names are the same in any case have them in small letters; only those may be
// written otherwise.
func means(name, owner string) bool {
	return name == owner || strings.ToLower(name) == owner
}
