package idp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

var (
	rsaKey   = sync.OnceValue(func() *rsa.PrivateKey { return generated(rsa.GenerateKey(rand.Reader, 2048)) })
	otherKey = sync.OnceValue(func() *rsa.PrivateKey { return generated(rsa.GenerateKey(rand.Reader, 2048)) })
	weakKey  = sync.OnceValue(func() *rsa.PrivateKey { return generated(rsa.GenerateKey(rand.Reader, 1024)) })
	ecKey    = sync.OnceValue(func() *ecdsa.PrivateKey { return generated(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	edKey    = sync.OnceValue(func() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(make([]byte, 32)) })
)

func generated[K any](key K, err error) K {
	if err != nil {
		panic(err)
	}
	return key
}

type object = map[string]any

// A signing is how an ID token is signed.
type signing struct {
	alg, kid string
	key      any // of crypto, or []byte for HS256, or nil for none
}

// jwt writes a token without a library's qualms.
func (s signing) jwt(t testing.TB, claims object) string {
	t.Helper()
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	header := object{"alg": s.alg, "typ": "JWT"}
	if s.kid != "" {
		header["kid"] = s.kid
	}
	text := part(header) + "." + part(claims)
	return text + "." + base64.RawURLEncoding.EncodeToString(s.sign(t, []byte(text)))
}

func (s signing) sign(t testing.TB, text []byte) (signature []byte) {
	t.Helper()
	sum := sha256.Sum256(text)
	var err error
	switch key := s.key.(type) {
	case []byte:
		mac := hmac.New(sha256.New, key)
		mac.Write(text)
		return mac.Sum(nil)
	case *rsa.PrivateKey:
		if s.alg == "PS256" {
			signature, err = rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], nil)
		} else {
			signature, err = rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
		}
	case ed25519.PrivateKey:
		return ed25519.Sign(key, text)
	case *ecdsa.PrivateKey:
		signature = make([]byte, 64)
		r, y, e := ecdsa.Sign(rand.Reader, key, sum[:])
		r.FillBytes(signature[:32])
		y.FillBytes(signature[32:])
		err = e
	}
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

// openid is a fake provider that speaks OpenID Connect.
type openid struct {
	*fake
	signing  signing
	claims   object                // of the ID token, besides those that every one has
	lie      func(object, *openid) // changes the claims
	info     object                // what userinfo says; nil for no userinfo
	keys     []any                 // what is published
	noID     bool                  // there is no ID token at a renewal
	withAuth []string              // how clients show their secret
	scopes   []string              // that it knows
}

func published(kid string, key crypto.Signer) any {
	return jose.JSONWebKey{Key: key.Public(), KeyID: kid, Use: "sig"}
}

func newOpenID(t *testing.T) *openid {
	o := &openid{fake: newFake(t), signing: signing{"RS256", "one", rsaKey()}}
	o.scope, o.basic, o.gives = "openid email", true, true
	o.also = map[string]string{"nonce": someNonce}
	o.claims = object{"sub": "s-1", "email": "Alice@Example.com", "email_verified": true, "groups": []string{"web", "shop"}}
	o.keys = []any{object{"kty": "XYZ", "kid": "unknown"}, object{"kty": "oct", "k": "c2VjcmV0"}, published("one", rsaKey()), published("ec", ecKey()), published("ed", edKey()), published("weak", weakKey())}
	o.mux.HandleFunc("GET /.well-known/openid-configuration", o.configuration)
	o.mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, object{"keys": o.keys}) })
	o.mux.HandleFunc("POST /token", o.token)
	o.api("GET /userinfo", func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, o.info) })
	o.fake.idToken = o.write
	return o
}

func (o *openid) configuration(w http.ResponseWriter, _ *http.Request) {
	d := object{"issuer": o.url, "authorization_endpoint": o.url + "/authorize?tenant=1", "token_endpoint": o.url + "/token", "jwks_uri": o.url + "/jwks",
		"id_token_signing_alg_values_supported": []string{"none", "HS256", "RS256"}}
	if o.info != nil {
		d["userinfo_endpoint"] = o.url + "/userinfo"
	}
	if o.scopes != nil {
		d["scopes_supported"] = o.scopes
	}
	if o.withAuth != nil {
		d["token_endpoint_auth_methods_supported"] = o.withAuth
	}
	answerJSON(w, d)
}

// write makes an ID token; at a renewal it has no nonce.
func (o *openid) write(nonce, access string) string {
	if nonce == "" && o.noID {
		return ""
	}
	sum := sha256.Sum256([]byte(access))
	c := object{"iss": o.url, "aud": clientID, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
		"at_hash": base64.RawURLEncoding.EncodeToString(sum[:16])}
	if nonce != "" {
		c["nonce"] = nonce
	}
	if o.signing.alg == "EdDSA" {
		delete(c, "at_hash")
	}
	maps.Copy(c, o.claims)
	if o.lie != nil {
		o.lie(c, o)
	}
	return o.signing.jwt(o.t, c)
}

func (o *openid) provider(t *testing.T, change func(*OIDCConfig)) *OIDC {
	cfg := OIDCConfig{Client: gate(), Issuer: o.url, Title: "Staff", LabelClaims: []string{"groups"}}
	if change != nil {
		change(&cfg)
	}
	p, err := NewOIDC(cfg)
	return must(t, p, err)
}
