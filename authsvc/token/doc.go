// Package token makes signed tokens of granted access, and granted access of
// tokens. An Issuer signs what somebody was granted; a Verifier takes such a
// token and returns the grant, unless it has ended or Revocations say that it
// is no longer good.
//
// The tokens are JWTs as registries read them (distribution
// docs/content/spec/auth/jwt.md): ES256, with the leaf's certificate in x5c, a
// single audience and whole seconds, which is what all versions of
// distribution agree on (protocol.md 2). The Verifier is stricter than any of
// them and takes only what an Issuer writes.
//
// The package neither decides what is granted nor keeps keys: see acl and
// internal/keyring. Revocations live as long as the process, an Issuer and a
// Verifier as long as a generation of the configuration.
package token

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/regate/regate/internal/keyring"
	"github.com/regate/regate/internal/oci"
)

// Parts are what an Issuer and a Verifier work with.
type Parts struct {
	Keys    *keyring.Ring
	Revoked *Revocations     // must be there for a Verifier; an Issuer needs none
	Now     func() time.Time // nil is time.Now

	// Namespaces are those that a Verifier knows tokens for besides the
	// service's.
	Namespaces []oci.Namespace
}

func (p Parts) withDefaults() Parts {
	if p.Now == nil {
		p.Now = time.Now
	}
	return p
}

const (
	// maxText is the longest token: servers and balancers cap headers.
	maxText = 16 << 10

	// leeway is for clocks that differ, the same as registries give.
	leeway = time.Minute
)

// method is the only algorithm. A token's own word for it is compared with
// this one, never looked up.
var method = jwt.SigningMethodES256

// joseHeader is the first part of a token (RFC 7515 4).
type joseHeader struct {
	Typ string   `json:"typ"`
	Alg string   `json:"alg"`
	Kid string   `json:"kid"`
	X5c [][]byte `json:"x5c"` // base64 with padding, unlike the token's parts (RFC 7515 4.1.6)
}

// claimSet is the second part of a token (RFC 7519 4.1).
type claimSet struct {
	Issuer    string    `json:"iss"`
	Subject   string    `json:"sub"` // "" is the anonymous
	Audience  string    `json:"aud"` // distribution 2.8 takes no list
	Expires   int64     `json:"exp"`
	NotBefore int64     `json:"nbf"`
	IssuedAt  int64     `json:"iat"`
	ID        string    `json:"jti"`
	Access    oci.Scope `json:"access"`

	Labels json.RawMessage `json:"rgl,omitempty"` // the gate's own, see Labels
	Family string          `json:"rgf,omitempty"` // the gate's own, see Claims
}

var errEncoding = errors.New("not canonical base64")

// decode reads base64 that has one form only: no padding where there is none,
// no bits left over, and none of the line breaks that Go's decoder skips.
func decode(enc *base64.Encoding, text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, errEncoding
	}
	b, err := enc.Strict().DecodeString(text)
	if err != nil {
		return nil, errEncoding
	}
	return b, nil
}
