package authsvc

import (
	"context"
	"errors"
	"net/http"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/narrow"
	"github.com/regate/regate/authsvc/secret"
	"github.com/regate/regate/authsvc/token"
	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/oci"
)

// A Service gives out tokens at /auth.
type Service struct {
	users   authn.Authenticator
	certs   authn.Authenticator
	rules   acl.Chain
	tokens  *token.Issuer
	labels  *token.Labels
	observe Observer
	log     *zap.Logger

	refreshes  *Refreshes
	revoked    *token.Revocations
	guests     authn.Authenticator
	pages      bool
	namespaces []oci.Namespace
}

// An Observer is told what became of each request for a token: "" if a token
// was issued, or the kind of the error. It must not block.
type Observer func(refused string)

// Parts are what a Service is made of.
type Parts struct {
	Users        authn.Authenticator // asked with every request's credentials, the anonymous' too
	Certificates authn.Authenticator // asked instead where a client certificate is all there is; nil knows none
	Rules        acl.Decider
	Tokens       *token.Issuer
	Labels       *token.Labels
	Observe      Observer    // nil is nobody
	Log          *zap.Logger // nil is silence

	// Refreshes know refresh tokens, and give them out; nil does neither.
	Refreshes *Refreshes
	// Revoked are the secrets that are good no longer, whoever knows them still;
	// nil is none.
	Revoked *token.Revocations

	// Namespaces are those that tokens are given out for besides the service.
	Namespaces []oci.Namespace
	// Guests is asked instead of Users on hosts where strangers are nobody in
	// particular; nil is Users.
	Guests authn.Authenticator
	// Pages says that people can make tokens at /tokens.
	Pages bool
}

// New makes a Service.
func New(p Parts) *Service {
	if p.Observe == nil {
		p.Observe = func(string) {}
	}
	if p.Log == nil {
		p.Log = zap.NewNop()
	}
	if p.Certificates == nil {
		p.Certificates = authn.Chain{}
	}
	if p.Guests == nil {
		p.Guests = p.Users
	}
	return &Service{
		users: p.Users, certs: p.Certificates, rules: chained(p.Rules), tokens: p.Tokens, labels: p.Labels, observe: p.Observe, log: p.Log.Named("auth"),
		refreshes: p.Refreshes, revoked: p.Revoked, guests: p.Guests, namespaces: p.Namespaces, pages: p.Pages,
	}
}

func chained(rules acl.Decider) acl.Chain {
	if all, ok := rules.(acl.Chain); ok {
		return all
	}
	return acl.Chain{rules}
}

// ServeToken answers a request for a token (protocol.md 1.10). What somebody
// may not do is no error: the token says less than was asked for. The errors
// are for requests that make no sense (400), credentials that are wrong (401),
// and for when it cannot be told (429, 503).
func (s *Service) ServeToken(w http.ResponseWriter, r *http.Request) error {
	err := s.serveToken(w, r)
	switch {
	case err == nil:
		s.observe("")
	case r.Context().Err() == nil: // whoever has left was not refused
		s.observe(oci.AsError(err).Kind.String())
	}
	return err
}

func (s *Service) serveToken(w http.ResponseWriter, r *http.Request) error {
	rec := edge.RecordFrom(r.Context())
	rec.Op = "token"

	ask, err := parseAsk(r)
	if err != nil {
		return err
	}
	rec.Subject = ask.cred.Account
	to, err := s.addressed(ask.service)
	if err != nil {
		return err
	}
	ask.scope = to.scope(ask.scope)
	id, err := s.identify(r.Context(), ask.cred, whither{edge.Origin(r), to.audience, to.guests(r)})
	if err != nil {
		return err
	}
	if namesItself(ask.cred) && ask.account != "" && ask.account != id.Account {
		return otherAccount()
	}
	granted, err := s.grant(r.Context(), acl.Ask{Identity: id, From: ask.cred.From, Service: to.audience}, ask.scope)
	if err != nil {
		return err
	}
	return s.send(w, r, answer{id: id, ask: ask, audience: to.audience, granted: granted})
}

// whither is where somebody wants to get in.
type whither struct {
	origin  string // of the gate, for them
	service string // that refresh tokens are looked at for; "" takes none
	guests  bool   // strangers may come there
}

// identify returns who shows cred, and notes it for the log, however it ends.
func (s *Service) identify(ctx context.Context, cred authn.Credentials, to whither) (authn.Identity, error) {
	rec := edge.RecordFrom(ctx)
	rec.Subject, rec.Family = cred.Account, secret.ID(cred.Password) // also of one that has ended: whoever has that shall be found
	id, err := s.knowing(cred, to).Authenticate(ctx, cred)
	switch {
	case err != nil && isRefresh(cred) && TurnedAway(err):
		return authn.Identity{}, unauthenticated(badRefresh).Because(err)
	case err != nil && isPersonal(cred) && TurnedAway(err):
		return authn.Identity{}, s.tokenRefused(to.origin, err)
	case err != nil:
		return authn.Identity{}, refusal(cred, err)
	case s.revoked != nil && id.Via.Family != "" && s.revoked.Secret(id.Via.Family, id.Account, id.Via.Made):
		return authn.Identity{}, unauthenticated("access was revoked")
	}
	rec.Subject, rec.Family, rec.Robot = id.Account, id.Via.Family, robotOf(id)
	return id, nil
}

// robotOf is the name of the robot that acts for an account; "" if none does.
func robotOf(id authn.Identity) string {
	if id.Via.Means != authn.ByRobot {
		return ""
	}
	return id.Via.Name
}

// badRefresh is what somebody reads whose docker has kept a refresh token for
// too long.
const badRefresh = "this login is not good (any more): log in again"

// knowing is who is asked about the credentials.
func (s *Service) knowing(cred authn.Credentials, to whither) authn.Authenticator {
	switch {
	case cred.Certified():
		return s.certs
	case isRefresh(cred):
		return authn.Func(func(ctx context.Context, c authn.Credentials) (authn.Identity, error) {
			return s.refreshes.login(ctx, c.Password, to.service)
		})
	case to.guests:
		return s.guests
	}
	return s.users
}

// grant returns the part of wanted that the rules grant to whoever asks. If that
// cannot be told of one access, none is granted: a client would take the token
// that says less for a refusal, and tell its user so. One is asked about after
// the other, so that a request takes one turn at a time of whoever is asked.
// Of what the rules grant, a secret gets what it is good for.
func (s *Service) grant(ctx context.Context, who acl.Ask, wanted oci.Scope) (granted oci.Scope, err error) {
	limits := narrow.New(who.Identity.Via.Within)
	for _, want := range wanted {
		who.Want = want
		if want.Actions, _, err = s.rules.Decide(ctx, who); err != nil {
			return nil, undecided(err)
		}
		want.Actions = limits.Cut(want)
		granted = granted.Union(oci.NewScope(want))
	}
	return granted, nil
}

// undecided is the error of rules that could not be asked.
func undecided(err error) error {
	if errors.Is(err, authn.ErrBusy) {
		return tooMany(err)
	}
	return oci.Errorf(oci.Unavailable, "cannot check permissions now").With("Retry-After", "5").Because(err)
}
