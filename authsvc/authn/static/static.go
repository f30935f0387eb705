// Package static knows the accounts that are written in the configuration
// itself, as docker_auth's "users" are.
//
// Credentials come in, and the identity with its labels goes out. The package
// compares no passwords itself, package password does, and keeps nothing that
// changes. A Users lives as long as a generation of the configuration.
package static

import (
	"context"
	"maps"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/password"
)

// Users is the authenticator of the accounts in a Config.
type Users struct {
	users map[string]user
	pool  *password.Pool
	cost  int // highest of all hashes
}

type user struct {
	hash   string
	any    bool // any password will do
	none   bool // no password will
	labels authn.Labels
}

// New returns the authenticator of the accounts in cfg, which is valid.
func New(cfg Config, pool *password.Pool) *Users {
	u := &Users{users: make(map[string]user, len(cfg)), pool: pool}
	for account, c := range cfg {
		u.users[account] = user{c.Password, c.AnyPassword, c.NoPassword, labels(c.Labels)}
		u.cost = max(u.cost, password.Cost(c.Password))
	}
	return u
}

// Cost is the highest cost of a hash; 0 if there is none.
func (u *Users) Cost() int { return u.cost }

// labels are written by the operator, so a "*" in them is a wildcard.
func labels(values map[string][]string) authn.Labels {
	if len(values) == 0 {
		return nil
	}
	l := make(authn.Labels, len(values))
	for name, list := range values {
		for _, v := range list {
			l[name] = append(l[name], authn.Label{Value: v, Pattern: true})
		}
	}
	return l
}

// Authenticate is authn.Authenticator's. The anonymous is an account like any
// other: unknown if it is not configured. An account is never had without a
// password, not even one that takes any.
func (u *Users) Authenticate(ctx context.Context, c authn.Credentials) (authn.Identity, error) {
	found, ok := u.users[c.Account]
	if !ok {
		return authn.Identity{}, authn.ErrUnknownUser
	}
	if err := u.check(ctx, found, c); err != nil {
		return authn.Identity{}, authn.Undecided(err)
	}
	return authn.Identity{Account: c.Account, Labels: maps.Clone(found.labels)}, nil
}

// check returns nil if the password is right.
func (u *Users) check(ctx context.Context, known user, c authn.Credentials) error {
	switch {
	case c.Anonymous():
		return nil
	case c.Account == authn.Anonymous:
		return authn.ErrWrongPassword
	case c.Password == "" || known.none:
		// It takes its time, so that this is not how to find accounts.
		if err := u.pool.Absent(ctx, u.cost, c.Password.Reveal()); err != nil {
			return err
		}
		return authn.ErrWrongPassword
	case known.any:
		return nil
	}
	return u.pool.Compare(ctx, known.hash, c.Password.Reveal())
}
