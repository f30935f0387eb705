package idp

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// skew is how far the provider's clock may be from ours.
const skew = time.Minute

// algorithms are those by which an ID token may be signed: with a key that is
// the provider's alone. A secret that both have (HS256) proves nothing to us
// about others who have it, and none proves nothing.
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.EdDSA,
}

// verifier looks at ID tokens of one issuer for one client.
func verifier(issuer, client string, k oidc.KeySet, now func() time.Time) *oidc.IDTokenVerifier {
	return oidc.NewVerifier(issuer, k, &oidc.Config{
		ClientID:             client,
		SupportedSigningAlgs: algorithms,
		Now:                  func() time.Time { return now().Add(-skew) },
	})
}

// errNoIDToken: the scope openid was asked for, so there is one.
var errNoIDToken = errors.New("there is no ID token in the answer")

// checked returns the claims of the ID token in t (OpenID Connect Core 3.1.3.7).
func (p *provider) checked(ctx context.Context, t tokens) (claims, *oidc.IDToken, error) {
	if t.id == "" {
		return nil, nil, errNoIDToken
	}
	token, err := p.verifier.Verify(ctx, t.id)
	if err != nil {
		return nil, nil, fmt.Errorf("ID token: %w", err)
	}
	c := make(claims)
	if err := token.Claims(&c); err != nil {
		return nil, nil, errors.New("ID token: its claims cannot be read")
	}
	switch {
	case token.Subject == "":
		return nil, nil, errors.New("ID token: it is about nobody")
	case !c.isFor(p.client.id, len(token.Audience)):
		return nil, nil, errors.New("ID token: it was made for another client")
	}
	if token.AccessTokenHash != "" && token.VerifyAccessToken(t.access.Reveal()) != nil {
		return nil, nil, errors.New("ID token: it belongs to another access token")
	}
	return c, token, nil
}

// isFor reports whether the authorized party is client: a token for several
// must say so.
func (c claims) isFor(client string, audiences int) bool {
	azp, ok := c.text("azp")
	if _, there := c["azp"]; !there {
		return audiences == 1
	}
	return ok && azp == client
}

// sameNonce reports whether the token was made for this login.
func sameNonce(token *oidc.IDToken, nonce string) bool {
	return nonce != "" && subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(nonce)) == 1
}
