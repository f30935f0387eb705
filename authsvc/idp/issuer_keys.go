package idp

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/problem"
)

const (
	keysStale = 24 * time.Hour // keys that could not be asked for again since are not relied on
	maxTries  = 8              // keys that are tried for a token that names none
)

// issuerKeys are those that an issuer signs with: of a file, or asked for.
type issuerKeys struct {
	cfg    IssuerConfig
	static []jose.JSONWebKey
	http   *http.Client // nil if there is a file
	set    remembered[[]jose.JSONWebKey]
}

func newIssuerKeys(cfg IssuerConfig, now func() time.Time) (*issuerKeys, error) {
	k := &issuerKeys{cfg: cfg}
	var wrong problem.List
	if cfg.JWKSFile != "" {
		keys, err := readKeys(cfg.JWKSFile)
		wrong.Under("jwks_file", err)
		k.static = keys
		return k, wrong.Err()
	}
	roots, err := authn.ReadRoots(cfg.CA)
	wrong.Under("ca", err)
	address := cfg.JWKSURL
	if address == "" {
		address = cfg.Issuer
	}
	k.http = line{timeout: keysTimeout, roots: roots, plain: isPlain(address)}.client()
	k.set.load, k.set.now, k.set.rest = k.fetch, now, keysPause
	return k, wrong.Err()
}

// readKeys reads a file as issuers publish their keys.
func readKeys(path string) ([]jose.JSONWebKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var all jwks
	if len(text) > maxBody || json.Unmarshal(text, &all) != nil {
		return nil, fmt.Errorf(`%s is not {"keys": […]} as issuers publish it`, path)
	}
	keys, err := all.usable()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return keys, nil
}

func (k *issuerKeys) close() {
	if k.http != nil {
		k.http.CloseIdleConnections()
	}
}

// verify returns what was signed. A token that is signed by nobody whom the
// issuer names is a Refusal.
func (k *issuerKeys) verify(ctx context.Context, signed *jose.JSONWebSignature) ([]byte, error) {
	keys, err := k.known(ctx, keysLife)
	if err != nil {
		return nil, err
	}
	payload, found := try(keys, signed)
	if payload != nil || found && keyID(signed) != "" || k.http == nil {
		return payload, unsigned(payload)
	}
	// A key may be newer than the set.
	if keys, err = k.known(ctx, keysPause); err != nil {
		return nil, err
	}
	payload, _ = try(keys, signed)
	if _, failure := k.set.since(); payload == nil && failure != nil {
		return nil, fmt.Errorf("the token may be signed by a new key: %w", failure)
	}
	return payload, unsigned(payload)
}

func unsigned(payload []byte) error {
	if payload != nil {
		return nil
	}
	return refused("none of the issuer's keys has signed it")
}

// known are the keys that are younger than age, if there are such to be had.
func (k *issuerKeys) known(ctx context.Context, age time.Duration) ([]jose.JSONWebKey, error) {
	if k.http == nil {
		return k.static, nil
	}
	keys, err := k.set.get(ctx, age)
	if err != nil {
		return nil, err
	}
	if loaded, failure := k.set.since(); k.set.now().Sub(loaded) > keysStale {
		return nil, fmt.Errorf("the issuer's keys are older than a day: %w", failure)
	}
	return keys, nil
}

func keyID(signed *jose.JSONWebSignature) string { return signed.Signatures[0].Header.KeyID }

// try looks for the key that has signed, among those that could have. The
// payload is nil if it was none of them; found says whether there are any.
func try(keys []jose.JSONWebKey, signed *jose.JSONWebSignature) (payload []byte, found bool) {
	tries := 0
	for _, key := range keys {
		if !fits(key, signed.Signatures[0].Header) {
			continue
		}
		if tries++; tries > maxTries {
			break
		}
		if payload, err := signed.Verify(key.Key); err == nil {
			return payload, true
		}
	}
	return nil, tries > 0
}

// fits reports whether the key can be the one that a header means. One kind of
// key is never taken for another, whatever the header says.
func fits(key jose.JSONWebKey, header jose.Header) bool {
	if key.Algorithm != "" && key.Algorithm != header.Algorithm {
		return false
	}
	if header.KeyID != "" && key.KeyID != header.KeyID {
		return false
	}
	switch k := key.Key.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(header.Algorithm, "RS") || strings.HasPrefix(header.Algorithm, "PS")
	case *ecdsa.PublicKey:
		return curves[header.Algorithm] == k.Params().BitSize
	case ed25519.PublicKey:
		return header.Algorithm == string(jose.EdDSA)
	}
	return false
}

// curves are the sizes of those that RFC 7518 3.4 pairs with algorithms.
var curves = map[string]int{"ES256": 256, "ES384": 384, "ES512": 521}
