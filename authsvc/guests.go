package authsvc

import (
	"context"
	"errors"
	"strings"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/secret"
)

// Guests takes whoever is a stranger here for nobody in particular: dockerd
// shows the user and the password of Docker Hub to each of its mirrors.
//
// A stranger's password is not looked at, let alone handed to anybody, kept, or
// counted as a wrong one. So who is a stranger is asked of those who can tell
// without it, and an account that nobody else has is one, too. What a stranger
// is granted, everybody is who shows nothing at all.
type Guests struct {
	finders authn.Chain
	known   authn.Authenticator
}

// NewGuests makes Guests of those in chain who can look accounts up. known logs
// them in, and must hand passwords to no others.
func NewGuests(chain authn.Chain, known func(finders authn.Chain) authn.Authenticator) *Guests {
	g := new(Guests)
	for _, a := range chain {
		if _, ok := a.(authn.Finder); ok {
			g.finders = append(g.finders, a)
		}
	}
	g.known = known(g.finders)
	return g
}

// Authenticate is authn.Authenticator's. Whoever shows a token of ours is no
// stranger, nor is anybody while it cannot be told.
func (g *Guests) Authenticate(ctx context.Context, c authn.Credentials) (authn.Identity, error) {
	if c.Anonymous() || strings.HasPrefix(c.Password.Reveal(), secret.Prefix) {
		return g.known.Authenticate(ctx, c)
	}
	_, err := g.finders.Find(ctx, c.Account)
	switch {
	case err == nil:
		return g.known.Authenticate(ctx, c)
	case errors.Is(err, authn.ErrUnknownUser):
		return g.known.Authenticate(ctx, authn.Credentials{From: c.From})
	}
	return authn.Identity{}, err
}
