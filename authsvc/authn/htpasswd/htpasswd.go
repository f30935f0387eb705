// Package htpasswd knows the accounts of a file as the registry itself has one
// (auth.htpasswd.path): a user and a bcrypt hash in each line, as
// `htpasswd -B` writes them.
//
// Credentials come in, and the identity goes out, which never has labels. The
// package compares no passwords itself, package password does, and does not
// watch the file: when it changes, there is another generation of the
// configuration, and Users live as long as one.
package htpasswd

import (
	"context"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/password"
)

// Users is the authenticator of the accounts in a file.
type Users struct {
	hashes map[string]string // by account
	pool   *password.Pool
	cost   int // highest of all hashes
}

// Open reads the file at path. What is wrong with its lines is one
// problem.List with all of it.
func Open(path string, pool *password.Pool) (*Users, error) {
	text, err := contents(path)
	if err != nil {
		return nil, err
	}
	hashes, err := parse(path, text)
	if err != nil {
		return nil, err
	}
	u := &Users{hashes: hashes, pool: pool}
	for _, hash := range hashes {
		u.cost = max(u.cost, password.Cost(hash))
	}
	return u, nil
}

// Check returns what Open would say about the file.
func Check(path string) error {
	_, err := Open(path, nil)
	return err
}

// Cost is the highest cost of a hash; 0 if there is none.
func (u *Users) Cost() int { return u.cost }

// Authenticate is authn.Authenticator's. The file knows nobody without a name,
// and lets nobody in without a password, whatever hash there is.
func (u *Users) Authenticate(ctx context.Context, c authn.Credentials) (authn.Identity, error) {
	hash, ok := u.hashes[c.Account]
	if !ok {
		return authn.Identity{}, authn.ErrUnknownUser
	}
	if err := u.compare(ctx, hash, c.Password.Reveal()); err != nil {
		return authn.Identity{}, authn.Undecided(err)
	}
	return authn.Identity{Account: c.Account}, nil
}

func (u *Users) compare(ctx context.Context, hash, secret string) error {
	if secret != "" {
		return u.pool.Compare(ctx, hash, secret)
	}
	// It takes its time, so that no password is not how to find accounts.
	if err := u.pool.Absent(ctx, u.cost, ""); err != nil {
		return err
	}
	return authn.ErrWrongPassword
}

var _ authn.Finder = (*Users)(nil)

// Find is authn.Finder's.
func (u *Users) Find(_ context.Context, account string) (authn.Identity, error) {
	if _, ok := u.hashes[account]; !ok {
		return authn.Identity{}, authn.ErrUnknownUser
	}
	return authn.Identity{Account: account}, nil
}
