package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/password"
)

// Users is the authenticator of the accounts in a table xorm_user.
type Users struct {
	database *database
	timeout  time.Duration
	pool     *password.Pool
	query    string
	cost     atomic.Int64 // highest of all hashes so far; 0 for none
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
	return &Users{database: d, timeout: full.Timeout, pool: pool, query: query}, nil
}

// Cost is the highest cost of a hash that there was so far. Before there was
// one, it is the usual.
func (u *Users) Cost() int {
	if cost := int(u.cost.Load()); cost > 0 {
		return cost
	}
	return password.DefaultCost
}

// An account is a row.
type account struct {
	name   string
	hash   sql.NullString
	labels []byte // JSON; nil for NULL
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
	if err := u.compare(ctx, found.hash.String, c.Password.Reveal()); err != nil {
		return authn.Identity{}, authn.Undecided(err)
	}
	return found.identity()
}

// compare lets nobody in without a bcrypt hash: an empty one, or one that was
// made invalid by a letter before it, is how an account is closed.
func (u *Users) compare(ctx context.Context, hash, secret string) error {
	if !password.Valid(hash) {
		if err := u.pool.Absent(ctx, u.Cost(), secret); err != nil {
			return err
		}
		return fmt.Errorf("%w: its password_hash is no bcrypt hash", authn.ErrWrongPassword)
	}
	u.remember(password.Cost(hash))
	return u.pool.Compare(ctx, hash, secret)
}

func (u *Users) remember(cost int) {
	for {
		was := u.cost.Load()
		if int64(cost) <= was || u.cost.CompareAndSwap(was, int64(cost)) {
			return
		}
	}
}

// Find is authn.Finder's. Nobody can log in as an account without a hash.
func (u *Users) Find(ctx context.Context, name string) (authn.Identity, error) {
	found, err := u.find(ctx, name)
	switch {
	case err != nil:
		return authn.Identity{}, err
	case !password.Valid(found.hash.String):
		return authn.Identity{}, authn.ErrUnknownUser
	}
	return found.identity()
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
			found = account{}
			err := r.Scan(&found.name, &found.hash, &found.labels)
			same = found.name == name
			return !same, err
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
