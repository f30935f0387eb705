package authsvc

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/secret"
)

// Personal lets those in who show a personal token, or the secret of a robot, in
// the place of a password, and leaves everybody else to those who know
// passwords. Nothing is remembered of a token itself: one that was revoked is
// good for nothing at the next login.
type Personal struct {
	book     *secret.Book
	vouchers *Vouchers
	others   authn.Authenticator
}

// NewPersonal makes a Personal over the tokens in book. vouchers say whether
// their owners are still there; others are asked about everybody who shows no
// token.
func NewPersonal(book *secret.Book, vouchers *Vouchers, others authn.Authenticator) *Personal {
	return &Personal{book, vouchers, others}
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
	case !isLogin(t.Kind):
		return authn.Identity{}, fmt.Errorf("%w: it is no token to log in with", authn.ErrWrongPassword)
	case !means(c.Account, t.Owner):
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
const badToken = "this token is not good (any more) for this user name"

// tokenRefused says so. Where there are pages, people can see there what they
// have.
func (s *Service) tokenRefused(origin string, err error) error {
	msg := badToken
	if s.pages {
		msg += ": see " + origin + "/tokens"
	}
	return unauthenticated(msg).Because(err)
}

// isLogin reports whether a secret of that kind stands in for a password.
func isLogin(kind string) bool { return kind == secret.Personal || kind == secret.Robot }

// vouched returns the owner of a token, if whoever had the account when it was
// made still vouches for it. If they will never again, the token ends.
func (p *Personal) vouched(ctx context.Context, t secret.Token) (authn.Identity, error) {
	id, err := p.vouchers.Find(ctx, t.Method, t.Owner, t.Created)
	switch {
	case errors.Is(err, ErrGone):
		return authn.Identity{}, fmt.Errorf("%w: %w", authn.ErrWrongPassword, errors.Join(err, p.book.Revoke(ctx, t.Owner, t.ID)))
	case errors.Is(err, authn.ErrUnknownUser), errors.Is(err, ErrBlind):
		return authn.Identity{}, fmt.Errorf("%w: nobody vouches for the token's owner: %w", authn.ErrWrongPassword, err)
	case err != nil:
		return authn.Identity{}, authn.Undecided(err)
	}
	id.Via = authn.Via{Means: authn.Means(t.Kind), Method: t.Method, Family: t.ID, Made: t.Created, Name: t.Name, Within: t.Within}
	return id, nil
}

// means reports whether somebody who writes name means owner. Providers whose
// names are the same in any case have them in small letters; only those may be
// written otherwise.
func means(name, owner string) bool {
	return name == owner || strings.ToLower(name) == owner
}
