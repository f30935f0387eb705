package static

import (
	"context"
	"maps"

	"github.com/regate/regate/authsvc/authn"
)

// Find returns the account without its password, or authn.ErrUnknownUser.
func (u *Users) Find(_ context.Context, account string) (authn.Identity, error) {
	found, ok := u.users[account]
	if !ok {
		return authn.Identity{}, authn.ErrUnknownUser
	}
	return authn.Identity{Account: account, Labels: maps.Clone(found.labels)}, nil
}
