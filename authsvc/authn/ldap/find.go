package ldap

import (
	"context"
	"errors"
	"fmt"

	"github.com/regate/regate/authsvc/authn"
)

var (
	_ authn.Finder  = (*Directory)(nil)
	_ Authenticator = (*Directory)(nil)
	_ Authenticator = Blind{}
)

// Find is authn.Finder's. An account that the directory says is disabled is
// gone. A Directory with initial_bind_as_user can find nobody, which is why
// Open has it behind a Blind.
func (d *Directory) Find(ctx context.Context, account string) (authn.Identity, error) {
	switch {
	case account == authn.Anonymous:
		return authn.Identity{}, authn.ErrUnknownUser
	case d.cfg.InitialBindAsUser:
		return authn.Identity{}, d.explained(errAsUser)
	}
	var id authn.Identity
	err := d.service.do(ctx, func(ctx context.Context, k *conn) error {
		found, err := d.account(ctx, k, account)
		if err != nil {
			return err
		}
		if why := found.disabled(); why != "" {
			return fmt.Errorf("%w: %s", authn.ErrUnknownUser, why)
		}
		id, err = d.identityOn(ctx, k, identified{account, found})
		return err
	})
	if err != nil {
		return authn.Identity{}, d.explained(err)
	}
	return id, nil
}

var errAsUser = errors.New("with initial_bind_as_user nobody can be looked up without their password")

// A Blind is a Directory with initial_bind_as_user. It is no authn.Finder: it
// sees an account only with the eyes of whoever has its password.
type Blind struct{ directory *Directory }

// Authenticate is authn.Authenticator's.
func (b Blind) Authenticate(ctx context.Context, c authn.Credentials) (authn.Identity, error) {
	return b.directory.Authenticate(ctx, c)
}

// Close ends idle connections. Logins that are under way go on.
func (b Blind) Close() error { return b.directory.Close() }
