package upstream

import (
	"time"

	"github.com/regate/regate/internal/cache"
	"github.com/regate/regate/internal/oci"
)

// A Minter signs tokens for registries.
//
// The token is to be valid from now on and for MintedLife at least; the gate
// shows it again for requests of the same subject and access for half of that.
// Calls may overlap.
type Minter interface {
	Mint(issuer, service, subject string, access []oci.Access) (token string, err error)
}

// MinterFunc makes a function a Minter.
type MinterFunc func(issuer, service, subject string, access []oci.Access) (string, error)

// Mint calls f.
func (f MinterFunc) Mint(issuer, service, subject string, access []oci.Access) (string, error) {
	return f(issuer, service, subject, access)
}

// MintedLife is how long a minted token must be valid. A registry looks at it
// once, when a request begins, so it need not outlive any transfer.
const MintedLife = 2 * time.Minute

// tokens mints for one registry, and keeps what it minted for a while: a
// signature costs more than all the rest of a small request.
type tokens struct {
	issuer, service string
	minter          Minter
	kept            *cache.Cache[tokenKey, string]
}

type tokenKey struct{ subject, scope string }

func newTokens(issuer, service string, o Options) *tokens {
	return &tokens{issuer, service, o.Minter, cache.New[tokenKey, string](cache.Options{TTL: MintedLife / 2, Now: o.Now})}
}

// token returns a token that grants exactly access to subject. Two who ask at
// once may get one each.
func (t *tokens) token(subject string, access []oci.Access) (string, error) {
	scope := oci.NewScope(access...)
	key := tokenKey{subject, scope.String()}
	if token, ok := t.kept.Get(key); ok {
		return token, nil
	}
	token, err := t.minter.Mint(t.issuer, t.service, subject, scope)
	if err != nil {
		return "", err
	}
	t.kept.Set(key, token)
	return token, nil
}
