package authsvc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/secret"
	"github.com/regate/regate/authsvc/token"
)

// Refreshes give clients refresh tokens to keep in the place of a password, and
// know again who shows one (protocol.md 1.3, 1.4).
//
// A refresh token is good for the one service that it was given out for, as long
// as whoever vouched for its owner still does. Where accounts cannot be looked
// up it is good for a day after the login, with the labels of that.
type Refreshes struct {
	book     *secret.Book
	vouchers *Vouchers
	labels   *token.Labels
	off      bool
	terms    secret.Terms
	log      *zap.Logger
}

// RefreshParts are what Refreshes are made of.
type RefreshParts struct {
	Config   token.Config
	Book     *secret.Book
	Vouchers *Vouchers
	Labels   *token.Labels
	Log      *zap.Logger // nil is silence
}

// NewRefreshes makes Refreshes.
func NewRefreshes(p RefreshParts) *Refreshes {
	if p.Log == nil {
		p.Log = zap.NewNop()
	}
	c := p.Config.WithDefaults().Refresh
	return &Refreshes{
		book: p.Book, vouchers: p.Vouchers, labels: p.Labels,
		off: c.Off, terms: secret.Terms{Life: c.Life, Max: c.Max}, log: p.Log.Named("refresh"),
	}
}

// blindTerms are those of an account that cannot be looked up.
var blindTerms = secret.Terms{Life: kept, Max: kept}

// isRefresh reports whether the credentials are a refresh token, which names its
// owner itself.
func isRefresh(c authn.Credentials) bool {
	return c.Account == "" && c.Password != "" && !c.Certified()
}

// deserves reports whether a login can be gone on with by a refresh token: one
// that was made with a password. Else somebody who may only have a secret for a
// while, or for some repositories, would have one for longer, or for more.
func deserves(id authn.Identity, c authn.Credentials) bool {
	return id.Via.Means == authn.ByPassword && id.Via.Method != "" && id.Account != authn.Anonymous &&
		c.Account != "" && !c.Certified() && !isOurs(c.Password)
}

// give returns a refresh token for whoever has just logged in, and its id; ""
// if there is none for them. That is no error: the client keeps the password
// instead, which is as good as before.
func (r *Refreshes) give(ctx context.Context, id authn.Identity, a ask, service string) (text authn.Secret, family string) {
	if r == nil || r.off || !a.offline || !deserves(id, a.cred) {
		return "", ""
	}
	t := secret.Token{Owner: id.Account, Method: id.Via.Method, Name: nameOf(a), Service: service}
	text, t, err := r.create(ctx, t, id.Labels)
	switch {
	case errors.Is(err, secret.ErrTooMany): // as with each job of a CI that logs in
		r.log.Info("no refresh token for another client", zap.String("subject", id.Account), zap.Error(err))
		return "", ""
	case err != nil:
		r.log.Warn("no refresh token for a client that has logged in", zap.String("subject", id.Account), zap.Error(err))
		return "", ""
	}
	return text, t.ID
}

// takeBack ends a refresh token that is not going out after all.
func (r *Refreshes) takeBack(ctx context.Context, account, family string) {
	if err := r.book.Revoke(ctx, account, family); err != nil {
		r.log.Warn("a refresh token that was given to nobody may be left in the list of its owner",
			zap.String("subject", account), zap.String("family", family), zap.Error(err))
	}
}

// nameOf says to the owner of a refresh token which client has it.
func nameOf(a ask) string {
	client := a.client
	if client == "" || len(client) > 64 || !isName(client) {
		client = "a client"
	}
	if !a.cred.From.IsValid() {
		return client
	}
	return client + " at " + a.cred.From.String()
}

func (r *Refreshes) create(ctx context.Context, t secret.Token, labels authn.Labels) (authn.Secret, secret.Token, error) {
	if !r.vouchers.Blind(t.Method) {
		return r.book.CreateRefresh(ctx, t, r.terms)
	}
	object, err := json.Marshal(labels)
	if err != nil {
		return "", t, err
	}
	text, t, err := r.book.CreateRefresh(ctx, t, blindTerms)
	if err != nil {
		return "", t, err
	}
	if err := r.labels.Keep(ctx, t.ID, object, kept); err != nil {
		return "", t, errors.Join(err, r.book.EndOf(ctx, t))
	}
	return text, t, nil
}

// login returns who shows a refresh token to have a token for a service. Its
// errors are those of an authn.Authenticator.
func (r *Refreshes) login(ctx context.Context, text authn.Secret, service string) (authn.Identity, error) {
	if r == nil || r.off {
		return authn.Identity{}, fmt.Errorf("%w: refresh tokens are turned off", authn.ErrWrongPassword)
	}
	t, err := r.book.VerifyRefresh(ctx, text, r.terms)
	switch {
	case errors.Is(err, secret.ErrMalformed), errors.Is(err, secret.ErrUnknown), errors.Is(err, secret.ErrExpired):
		return authn.Identity{}, fmt.Errorf("%w: %w", authn.ErrWrongPassword, err)
	case err != nil:
		return authn.Identity{}, authn.Undecided(err)
	case t.Service != service:
		return authn.Identity{}, fmt.Errorf("%w: the refresh token %s is for %q", authn.ErrWrongPassword, t.ID, t.Service)
	}
	id, err := r.owner(ctx, t)
	if err != nil {
		return authn.Identity{}, err
	}
	id.Via = authn.Via{Means: authn.ByRefresh, Method: t.Method, Family: t.ID, Made: t.Created, Name: t.Name}
	return id, nil
}

// owner returns whose a refresh token is, if whoever vouched for them still
// does, and has it last for longer then.
func (r *Refreshes) owner(ctx context.Context, t secret.Token) (authn.Identity, error) {
	id, err := r.vouchers.Find(ctx, t.Method, t.Owner, t.Created)
	switch {
	case err == nil:
		r.book.Extend(t, r.terms)
		return id, nil
	case errors.Is(err, ErrBlind):
		r.book.Extend(t, blindTerms)
		return r.asThen(ctx, t)
	case errors.Is(err, ErrGone):
		r.log.Info("a login has ended with its account", zap.String("subject", t.Owner), zap.String("family", t.ID), zap.String("method", t.Method))
		return authn.Identity{}, fmt.Errorf("%w: %w", authn.ErrWrongPassword, errors.Join(err, r.book.EndOf(ctx, t)))
	case errors.Is(err, authn.ErrUnknownUser):
		return authn.Identity{}, fmt.Errorf("%w: nobody vouches for the owner of the refresh token %s: %w", authn.ErrWrongPassword, t.ID, err)
	}
	return authn.Identity{}, authn.Undecided(err)
}

// asThen returns the owner as they were at their login.
func (r *Refreshes) asThen(ctx context.Context, t secret.Token) (authn.Identity, error) {
	object, err := r.labels.Kept(ctx, t.ID)
	switch {
	case errors.Is(err, token.ErrNotKept):
		return authn.Identity{}, fmt.Errorf("%w: of the refresh token %s: %w", authn.ErrWrongPassword, t.ID, err)
	case err != nil:
		return authn.Identity{}, authn.Undecided(err)
	}
	id := authn.Identity{Account: t.Owner}
	if err := json.Unmarshal(object, &id.Labels); err != nil {
		return authn.Identity{}, authn.Undecided(fmt.Errorf("labels of the refresh token %s: %w", t.ID, err))
	}
	return id, nil
}
