package idp

import (
	"context"
	"time"

	"golang.org/x/oauth2"

	"github.com/regate/regate/authsvc/authn"
)

// A service speaks OAuth 2.0, and says who somebody is with an API of its own.
// GitHub and GitLab are such; they differ in how they describe a person, and in
// what is kept of a login.
type service struct {
	client   client
	endpoint oauth2.Endpoint
	terms    Terms
	bound    time.Duration // for all that a step of a login takes
	person   func(ctx context.Context, access authn.Secret) (Person, error)
	keep     func(tokens) authn.Secret
	hold     func(ctx context.Context, kept authn.Secret) (tokens, error)
	// enter makes of an error what it means to somebody who logs in just now.
	enter func(error) error
}

// Terms say how long its word counts.
func (s *service) Terms() Terms { return s.terms }

// Close ends idle connections.
func (s *service) Close() { s.client.http.CloseIdleConnections() }

// AuthURL returns where to send the browser.
func (s *service) AuthURL(_ context.Context, start Start) (string, error) {
	return s.client.authURL(s.endpoint, start), nil
}

// Exchange returns who has logged in.
func (s *service) Exchange(ctx context.Context, r Return) (Person, error) {
	ctx, cancel := context.WithTimeout(ctx, s.bound)
	defer cancel()
	t, err := s.client.exchange(ctx, s.endpoint, r)
	if err != nil {
		return Person{}, s.client.discreet(err, r.Code, r.Verifier)
	}
	who, err := s.person(ctx, t.access)
	if err != nil {
		return Person{}, about(who.Account, s.client.discreet(s.enter(err), r.Code, r.Verifier))
	}
	who.Refresh = s.keep(t)
	return who, nil
}

// Renew asks about somebody who logged in before. Beside an error that is no
// Refusal there may be a Refresh, which is then the one to keep.
func (s *service) Renew(ctx context.Context, account string, refresh authn.Secret) (Person, error) {
	ctx, cancel := context.WithTimeout(ctx, s.bound)
	defer cancel()
	t, err := s.hold(ctx, refresh)
	if err != nil {
		return Person{}, s.client.discreet(err, refresh.Reveal())
	}
	who, err := s.person(ctx, t.access)
	if ended(err) {
		err = &Refusal{Msg: "the login at " + s.client.title + " has ended; please log in again"}
	}
	if err == nil {
		err = still(account, who, s.client.title)
	}
	return answer(who, s.keep(t), s.client.discreet(err, refresh.Reveal()))
}
