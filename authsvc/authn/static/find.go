package static

import (
	"context"
	"maps"

	"github.com/regate/regate/authsvc/authn"
)

var _ authn.Finder = (*Users)(nil)

// Find is authn.Finder's.
func (u *Users) Find(_ context.Context, account string) (authn.Identity, error) {
	found, ok := u.users[account]
	if !ok || found.hash == "" && !found.any && !found.none {
		return authn.Identity{}, authn.ErrUnknownUser
	}
	return authn.Identity{Account: account, Labels: maps.Clone(found.labels)}, nil
}
