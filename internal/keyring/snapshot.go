package keyring

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"time"
)

// A Signer is the leaf that signs tokens now.
type Signer struct {
	Key      *ecdsa.PrivateKey
	KeyID    string    // RFC 7638
	Chain    [][]byte  // certificates as DER, the leaf's first, without the root
	NotAfter time.Time // when registries stop to take the leaf
}

// A Verifier is a leaf that is good for verifying what it has signed.
type Verifier struct {
	Key      *ecdsa.PublicKey
	KeyID    string
	NotAfter time.Time
}

// A snapshot is what the ring knows at one time. It never changes.
type snapshot struct {
	record record // what it was made of
	signer *Signer
	known  map[string]known // by DER
	jwks   []byte
}

type known struct {
	Verifier
	notBefore time.Time
}

func newSnapshot(rec record, cur *leaf, now time.Time) *snapshot {
	s := &snapshot{
		record: rec,
		signer: &Signer{cur.key, keyID(&cur.key.PublicKey), [][]byte{cur.cert.Raw}, cur.cert.NotAfter},
		known:  make(map[string]known, len(rec.leaves)),
	}
	var set jwks
	for _, l := range rec.leaves {
		pub, ok := l.cert.PublicKey.(*ecdsa.PublicKey)
		if !ok || now.After(l.cert.NotAfter) {
			continue
		}
		v := Verifier{pub, keyID(pub), l.cert.NotAfter}
		s.known[string(l.cert.Raw)] = known{v, l.cert.NotBefore}
		set.Keys = append(set.Keys, newJWK(v, l.cert.Raw))
	}
	s.jwks, _ = json.Marshal(set) // strings only: cannot fail
	return s
}

// Verifier returns the key of a leaf's certificate, as a token's x5c shows it.
// Its error says why the certificate is none of ours. A leaf that another gate
// has just made, and that this one has not heard of, is good by its signature.
func (r *Ring) Verifier(der []byte) (Verifier, error) {
	now := r.now()
	if k, ok := r.live.Load().known[string(der)]; ok && !now.Before(k.notBefore) && !now.After(k.NotAfter) {
		return k.Verifier, nil
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return Verifier{}, err
	}
	pub, err := r.root.verify(cert, now)
	if err != nil {
		return Verifier{}, err
	}
	return Verifier{pub, keyID(pub), cert.NotAfter}, nil
}

// jwks is a JWK Set (RFC 7517 5) of public EC keys (RFC 7518 6.2.1).
type jwks struct {
	Keys []jwk `json:"keys"`
}

type jwk struct {
	Kty string   `json:"kty"`
	Crv string   `json:"crv"`
	Kid string   `json:"kid"`
	Use string   `json:"use"`
	Alg string   `json:"alg"`
	X   string   `json:"x"`
	Y   string   `json:"y"`
	X5c [][]byte `json:"x5c"` // base64 with padding, unlike all else (RFC 7517 4.7)
}

func newJWK(v Verifier, der []byte) jwk {
	x, y := coordinates(v.Key)
	return jwk{"EC", "P-256", v.KeyID, "sig", "ES256", x, y, [][]byte{der}}
}

// keyID is the RFC 7638 thumbprint of a key: the hash of its required members
// in the order of their names, without white space.
func keyID(key *ecdsa.PublicKey) string {
	x, y := coordinates(key)
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + x + `","y":"` + y + `"}`))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// coordinates are padded to the size of the curve, which RFC 7518 6.2.1.2
// demands and some registries forget.
func coordinates(key *ecdsa.PublicKey) (x, y string) {
	const size = 32
	point, err := key.Bytes() // 4, X, Y (SEC 1 2.3.3)
	if err != nil {
		return "", "" // a point that is not on the curve: verify has refused it
	}
	enc := base64.RawURLEncoding
	return enc.EncodeToString(point[1 : 1+size]), enc.EncodeToString(point[1+size:])
}
