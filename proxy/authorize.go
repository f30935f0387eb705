package proxy

import (
	"context"
	"errors"
	"net/http"

	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/oci"
)

// An Authorizer says on whose behalf a request comes, and whether it may pass.
//
// Authorize returns a grant that covers needs, or an *oci.Refusal, of which
// the caller makes a challenge. With no needs, whoever shows a valid
// Authorization is granted that, and who shows none is refused: /v2/ is where
// clients learn whom to ask for a token. Any other error means that it could
// not tell. Calls may overlap.
type Authorizer interface {
	Authorize(ctx context.Context, shown oci.Shown, needs []oci.Access) (oci.Grant, error)
}

// authorize returns the grant of a request, and the request as far as the
// grant goes: a mount of what the client may not read, or of what another
// registry holds, becomes an upload. A refusal would cost containerd the whole
// push (protocol.md 4.3).
func (g *Gateway) authorize(r *http.Request, route Match, req oci.Request) (oci.Grant, oci.Request, error) {
	if err := checkPull(route, req); err != nil { // whoever it is
		return oci.Grant{}, req, err
	}
	if !route.Pool.Checked() {
		return oci.Grant{Unchecked: shown(r, route).Authorization}, req, nil
	}
	if req.From != "" && g.routes.source(route, req) == "" {
		req = req.WithoutMount()
	}
	known, err := route.toRules(req)
	if err != nil {
		return oci.Grant{}, req, err
	}
	s := shown(r, route)
	s.Grace = g.uploads.grace(req, g.now())
	grant, err := g.auth.Authorize(r.Context(), s, known.Needs())
	if req.From != "" && lacksScope(err) {
		req = req.WithoutMount()
		grant, err = g.auth.Authorize(r.Context(), s, known.WithoutMount().Needs())
	}
	if err != nil {
		return oci.Grant{}, req, g.challenge(r, route, req, err)
	}
	return grant, req, nil
}

// shown is what a request shows of who sends it, in the place of which registry.
func shown(r *http.Request, route Match) oci.Shown {
	s := oci.Shown{
		Authorization: oci.NewSecret(r.Header.Get("Authorization")), From: edge.Client(r), Origin: edge.Origin(r),
		Namespace: route.place().namespace, Guests: route.guests(),
	}
	if r.TLS != nil {
		s.Chains = r.TLS.VerifiedChains
	}
	return s
}

func lacksScope(err error) bool {
	var refusal *oci.Refusal
	return errors.As(err, &refusal) && refusal.Reason == oci.InsufficientScope
}

// challenge turns a refusal into a 401 that says where a better token can be
// had. The names in it are the client's own: with the service of a namespace,
// they become those that the rules have. Lack of a right is no 403: clients that
// hold a token to pull and now push depend on it (protocol.md 1.8).
func (g *Gateway) challenge(r *http.Request, route Match, req oci.Request, err error) error {
	var refusal *oci.Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	service := g.service
	if route.via != nil {
		service = route.via.Audience(service)
	}
	c := oci.Challenge{
		Realm:   edge.Origin(r) + "/auth",
		Service: service,
		Scope:   oci.NewScope(req.Needs()...),
		Reason:  refusal.Reason,
	}
	if refusal.Reason == oci.InsufficientScope {
		c.Description = refusal.Msg
	}
	return oci.Errorf(oci.Unauthenticated, "%s", refusal.Msg).
		Because(refusal.Err).
		With("Www-Authenticate", c.String())
}
