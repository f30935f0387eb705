package mongo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/password"
)

// Users is the authenticator behind mongo_auth.
type Users struct {
	*collection
	*password.Stored // compares with the hashes of the documents
}

// NewUsers returns the authenticator that cfg, which is valid, describes. It
// reads files and connects to nothing. What is wrong with a file is a
// problem.List.
func NewUsers(cfg UsersConfig, pool *password.Pool) (*Users, error) {
	docs, err := newCollection(cfg.DialInfo, cfg.Collection)
	if err != nil {
		return nil, err
	}
	return &Users{docs, password.NewStored(pool, cfg.AnyPassword)}, nil
}

// Authenticate is authn.Authenticator's. The anonymous is not known here.
func (u *Users) Authenticate(ctx context.Context, c authn.Credentials) (authn.Identity, error) {
	found, err := u.user(ctx, c.Account)
	if err == nil {
		err = authn.Undecided(found.explain(u.Compare(ctx, found.hash, c.Password.Reveal())))
	}
	if err != nil {
		return authn.Identity{}, u.explained(err)
	}
	return authn.Identity{Account: c.Account, Labels: found.labels}, nil
}

// Find is authn.Finder's. An account that nobody can log in as is unknown.
func (u *Users) Find(ctx context.Context, account string) (authn.Identity, error) {
	found, err := u.user(ctx, account)
	if err == nil {
		var open bool
		if open, err = u.Open(found.hash); err == nil && !open {
			err = authn.ErrUnknownUser
		}
		err = authn.Undecided(found.explain(err))
	}
	if err != nil {
		return authn.Identity{}, u.explained(err)
	}
	return authn.Identity{Account: account, Labels: found.labels}, nil
}

// explain says which password an error is about. A refusal needs no explanation.
func (u user) explain(err error) error {
	if err == nil || errors.Is(err, authn.ErrWrongPassword) || errors.Is(err, authn.ErrUnknownUser) {
		return err
	}
	return fmt.Errorf("the document of %q: password: %w", u.name, err)
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
		return user{}, authn.Undecided(fmt.Errorf("there is more than one document of %q", account))
	}
	found, err := readUser(docs[0])
	switch {
	case err != nil:
		return user{}, authn.Undecided(fmt.Errorf("the document of %q: %w", account, err))
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
