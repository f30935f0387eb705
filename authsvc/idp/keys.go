package idp

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

const (
	keysLife    = time.Hour       // a key that was withdrawn signs no longer than that
	keysPause   = time.Minute     // a signature by an unknown key is a reason to ask again, at most so often
	keysTimeout = 5 * time.Second // for one answer
	maxKeys     = 100
)

// keys are those that a provider signs with.
type keys struct {
	set remembered[*oidc.StaticKeySet]
}

// VerifySignature is oidc.KeySet's.
func (k *keys) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	set, err := k.set.get(ctx, keysLife)
	if err != nil {
		return nil, err
	}
	if payload, err := set.VerifySignature(ctx, token); err == nil {
		return payload, nil
	}
	// A key may be newer than the set.
	if set, err = k.set.get(ctx, keysPause); err != nil {
		return nil, err
	}
	return set.VerifySignature(ctx, token)
}

// fetchKeys asks for the keys at address.
func fetchKeys(ctx context.Context, client *http.Client, address string) (*oidc.StaticKeySet, error) {
	ctx, cancel := context.WithTimeout(ctx, keysTimeout)
	defer cancel()
	var all jwks
	if err := getJSON(ctx, client, address, &all); err != nil {
		return nil, err
	}
	keys, err := all.usable()
	if err != nil {
		return nil, err
	}
	set := new(oidc.StaticKeySet)
	for _, key := range keys {
		set.PublicKeys = append(set.PublicKeys, key.Key)
	}
	return set, nil
}

// jwks is a set of keys as it is published (RFC 7517 5).
type jwks struct {
	Keys []json.RawMessage `json:"keys"`
}

// usable are those of the keys that may sign. One that is not understood is for
// others (RFC 7517 5).
func (s jwks) usable() (keys []jose.JSONWebKey, err error) {
	if len(s.Keys) > maxKeys {
		return nil, errors.New("the provider has more than 100 keys")
	}
	for _, text := range s.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(text, &key) == nil && signs(key) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the provider has no key that could sign")
	}
	return keys, nil
}

// signs reports whether key is a public one, for signatures, of a size that
// neither is weak nor keeps us busy.
func signs(key jose.JSONWebKey) bool {
	if key.Use != "" && key.Use != "sig" {
		return false
	}
	switch k := key.Key.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen() >= 2048 && k.N.BitLen() <= 8192
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	}
	return false
}
