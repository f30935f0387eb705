package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/password"
)

// Users is the authenticator of the accounts in a table xorm_user.
type Users struct {
	*password.Stored // compares with the hashes of the table
	database         *database
	timeout          time.Duration
	query            string
}

var _ authn.Finder = (*Users)(nil)

// mostRows is how many rows with a name that the database takes for the same
// are looked at.
const mostRows = 64

// NewUsers returns the authenticator that cfg, which is valid, describes. It
// connects to nothing. Its error is a problem.List.
func NewUsers(cfg UsersConfig, all *Databases, pool *password.Pool) (*Users, error) {
	full := cfg.withDefaults()
	d, err := all.get(full)
	if err != nil {
		return nil, err
	}
	query := fmt.Sprintf(selectUser, d.placeholder, mostRows)
	return &Users{Stored: password.NewStored(pool, cfg.AnyPassword), database: d, timeout: full.Timeout, query: query}, nil
}

// An account is a row.
type account struct {
	name   string
	hash   *string // nil for NULL
	labels []byte  // JSON; nil for NULL
}

// Authenticate is authn.Authenticator's. The anonymous, and whoever shows no
// password, is unknown without a question, as in docker_auth.
func (u *Users) Authenticate(ctx context.Context, c authn.Credentials) (authn.Identity, error) {
	if c.Password == "" {
		return authn.Identity{}, authn.ErrUnknownUser
	}
	found, err := u.find(ctx, c.Account)
	if err != nil {
		return authn.Identity{}, err
	}
	if err := u.Compare(ctx, found.hash, c.Password.Reveal()); err != nil {
		return authn.Identity{}, authn.Undecided(found.explain("password_hash", err))
	}
	return found.identity()
}

// Find is authn.Finder's. An account that nobody can log in as is unknown.
func (u *Users) Find(ctx context.Context, name string) (authn.Identity, error) {
	found, err := u.find(ctx, name)
	if err != nil {
		return authn.Identity{}, err
	}
	switch open, err := u.Open(found.hash); {
	case err != nil:
		return authn.Identity{}, authn.Undecided(found.explain("password_hash", err))
	case !open:
		return authn.Identity{}, authn.ErrUnknownUser
	}
	return found.identity()
}

// explain says which row an error is about, and which column. A refusal needs
// no explanation.
func (a account) explain(column string, err error) error {
	if errors.Is(err, authn.ErrWrongPassword) {
		return err
	}
	return fmt.Errorf("xorm_user: the newest row of %q: %s: %w", a.name, column, err)
}

// find returns the newest row of the account.
//
// MySQL takes Admin, admin and "admin " for the same, as its collation says, so
// names are compared once more: whoever logs in as Admin would have the rules
// of another account than the one whose password it is.
func (u *Users) find(ctx context.Context, name string) (found account, err error) {
	if name == authn.Anonymous || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return account{}, authn.ErrUnknownUser // no text of a database is like that
	}
	rows, same := 0, false
	err = u.database.ask(ctx, u.timeout, func(ctx context.Context) error {
		return u.database.each(ctx, func(r *sql.Rows) (bool, error) {
			rows++
			err := r.Scan(&found.name, &found.hash, &found.labels)
			same = found.name == name
			return !same && rows < mostRows, err
		}, u.query, name)
	})
	switch {
	case err != nil && u.cannotHold(name, err):
		return account{}, authn.ErrUnknownUser
	case err != nil:
		return account{}, fmt.Errorf("xorm_user: %w", err)
	case same:
		return found, nil
	case rows == mostRows:
		return account{}, fmt.Errorf("xorm_user: the newest %d rows for this name are all written otherwise", rows)
	}
	return account{}, authn.ErrUnknownUser
}

// cannotHold reports whether err means that there is no such name, because of
// its letters.
func (u *Users) cannotHold(name string, err error) bool {
	return u.database.foreign != nil && u.database.foreign(err) && strings.ContainsFunc(name, func(r rune) bool { return r >= utf8.RuneSelf })
}
