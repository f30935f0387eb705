package authsvc

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/token"
	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/oci"
)

// An answer is what was decided about an ask.
type answer struct {
	id       authn.Identity
	ask      ask
	audience string
	granted  oci.Scope
}

// tokenBody is the reply of the token service. Clients differ in which of the
// two equal fields they read. There is no issued_at: clients compare it with
// their own clocks, and count from the receipt without it (protocol.md 1.4).
type tokenBody struct {
	Token       string `json:"token"`
	AccessToken string `json:"access_token"`
	ExpiresIn   int    `json:"expires_in"` // seconds
	Scope       string `json:"scope"`

	RefreshToken string `json:"refresh_token,omitempty"`
}

// send signs the token, and writes and logs it.
func (s *Service) send(w http.ResponseWriter, r *http.Request, a answer) error {
	labels, err := s.labelsFor(r.Context(), a.id, a.granted, s.tokens.Lifetime())
	if err != nil {
		return err
	}
	refresh, family := s.refresh(r, a)
	signed, err := s.tokens.Issue(token.Claims{Subject: a.id.Account, Audience: a.audience, Scope: a.granted, Labels: labels, Family: family})
	if err != nil && family != a.id.Via.Family {
		s.refreshes.takeBack(r.Context(), a.id.Account, family)
	}
	switch {
	case errors.Is(err, token.ErrTooLong):
		return oci.Errorf(oci.BadRequest, "too much for one token: ask for fewer scopes at once").Because(err)
	case err != nil:
		return oci.Errorf(oci.Unavailable, "cannot sign tokens now").With("Retry-After", "5").Because(err)
	}
	edge.RecordFrom(r.Context()).TokenID = signed.ID
	body, err := json.Marshal(tokenBody{signed.Text, signed.Text, int(signed.Lifetime.Seconds()), a.granted.String(), refresh.Reveal()})
	if err != nil {
		return err
	}
	s.log.Info("token issued",
		zap.String("subject", a.id.Account), zap.String("client_id", clip(a.ask.client)), zap.Stringer("client", a.ask.cred.From),
		zap.String("service", a.audience), zap.String("wanted", clip(a.ask.scope.String())), zap.String("granted", clip(a.granted.String())),
		zap.String("token", signed.ID), zap.String("family", family), zap.String("robot", robotOf(a.id)))

	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		return nil
	}
	_, err = w.Write(body)
	return err
}

// refresh returns the refresh token that goes with the answer, "" if there is
// none, and the family that the token is of. Whoever has shown one keeps it, and
// is told so if it wants another (distribution docs/content/spec/auth/oauth.md).
func (s *Service) refresh(r *http.Request, a answer) (text authn.Secret, family string) {
	switch {
	case a.id.Via.Means == authn.ByRefresh && a.ask.offline:
		return a.ask.cred.Password, a.id.Via.Family
	case a.id.Via.Family != "" || r.Method == http.MethodHead:
		return "", a.id.Via.Family
	}
	return s.refreshes.give(r.Context(), a.id, a.ask, a.audience)
}

// clip keeps what clients choose from filling a disk.
func clip(s string) string {
	const most = 1024
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// ServeKeys answers with the keys that verify our tokens (RFC 7517), for
// registries and API gateways that read them from a URL.
func (s *Service) ServeKeys(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return oci.Errorf(oci.Unsupported, "read the keys with GET").With("Allow", "GET, HEAD")
	}
	edge.RecordFrom(r.Context()).Op = "keys"
	h := w.Header()
	h.Set("Content-Type", "application/jwk-set+json")
	h.Set("Cache-Control", "public, max-age=60")
	_, err := w.Write(s.tokens.JWKS())
	return err
}
