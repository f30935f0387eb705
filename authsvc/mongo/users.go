package mongo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/password"
)

// Users is the authenticator behind mongo_auth.
type Users struct {
	*collection
	any  bool // a document without a password is for everybody
	pool *password.Pool
	cost atomic.Int64
}

// NewUsers returns the authenticator that cfg, which is valid, describes. It
// reads files and connects to nothing. What is wrong with a file is a
// problem.List.
func NewUsers(cfg UsersConfig, pool *password.Pool) (*Users, error) {
	docs, err := newCollection(cfg.DialInfo, cfg.Collection)
	if err != nil {
		return nil, err
	}
	return &Users{collection: docs, any: cfg.AnyPassword, pool: pool}, nil
}

// Cost is the highest cost of a hash that was seen, and that of new hashes as
// long as none was.
func (u *Users) Cost() int {
	if seen := u.cost.Load(); seen > 0 {
		return int(seen)
	}
	return password.DefaultCost
}

// Authenticate is authn.Authenticator's. The anonymous is not known here. A
// document without a password is for nobody unless any_password is set, and
// nobody gets in without one.
func (u *Users) Authenticate(ctx context.Context, c authn.Credentials) (authn.Identity, error) {
	found, err := u.user(ctx, c.Account)
	if err == nil {
		err = authn.Undecided(u.check(ctx, found, c.Password))
	}
	if err != nil {
		return authn.Identity{}, u.explained(err)
	}
	return authn.Identity{Account: c.Account, Labels: found.labels}, nil
}

// Find is authn.Finder's.
func (u *Users) Find(ctx context.Context, account string) (authn.Identity, error) {
	found, err := u.user(ctx, account)
	if err == nil && found.hash == nil && !u.any {
		err = fmt.Errorf("%w: %w", authn.ErrUnknownUser, errNoPassword)
	}
	if err != nil {
		return authn.Identity{}, u.explained(err)
	}
	return authn.Identity{Account: account, Labels: found.labels}, nil
}

var errNoPassword = errors.New("the document has no password, and any_password is not set")

// check returns nil if the password is right. A refusal takes its time, so that
// it tells nobody what an account is like.
func (u *Users) check(ctx context.Context, found user, secret authn.Secret) error {
	switch {
	case found.hash != nil && secret != "":
		u.seen(password.Cost(*found.hash))
		return u.pool.Compare(ctx, *found.hash, secret.Reveal())
	case secret != "" && u.any:
		return nil
	}
	if err := u.pool.Absent(ctx, u.Cost(), ""); err != nil {
		return err
	}
	if secret == "" {
		return authn.ErrWrongPassword
	}
	return fmt.Errorf("%w: %w", authn.ErrWrongPassword, errNoPassword)
}

func (u *Users) seen(cost int) {
	for was := u.cost.Load(); int64(cost) > was && !u.cost.CompareAndSwap(was, int64(cost)); was = u.cost.Load() {
	}
}

// user asks for an account. It is a text in the question, whatever it looks
// like: there is no account that would be an operator. What is no UTF-8 cannot
// be asked about.
func (u *Users) user(ctx context.Context, account string) (user, error) {
	if account == authn.Anonymous || !utf8.ValidString(account) {
		return user{}, authn.ErrUnknownUser
	}
	wanted := options.Find().SetLimit(2).SetProjection(bson.D{{Key: "username", Value: 1}, {Key: "password", Value: 1}, {Key: "labels", Value: 1}})
	docs, err := u.find(ctx, bson.D{{Key: "username", Value: account}}, wanted, mostUser)
	switch {
	case err != nil:
		return user{}, err
	case len(docs) == 0:
		return user{}, authn.ErrUnknownUser
	case len(docs) > 1:
		return user{}, authn.Undecided(errors.New("there is more than one document for the account"))
	}
	found, err := readUser(docs[0])
	switch {
	case err != nil:
		return user{}, authn.Undecided(err)
	case found.name != account: // the collection does not tell Alice from alice
		return user{}, authn.ErrUnknownUser
	}
	return found, nil
}

// explained says which database an error is about.
func (u *Users) explained(err error) error {
	if err == authn.ErrUnknownUser || err == authn.ErrWrongPassword { // and nothing more, which needs no explanation
		return err
	}
	return fmt.Errorf("mongo_auth %s: %w", strings.Join(u.dial.Addrs, ", "), err)
}
