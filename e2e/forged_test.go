package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/e2e/testbed"
)

// TestForgedTokens shows tokens to the gate that it has not signed. All are
// refused in the way that has clients ask for a new one.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	s := startSite(t, modes[0], testbed.Registry3, engines{})
	s.putBlob(t, "secret/a", noise(1<<10))
	const target = "/v2/secret/a/tags/list"
	genuine := s.token(t, "admin", adminPassword, "repository:secret/a:pull")
	if got := s.send(t, raw{method: "GET", target: target}, genuine); got.status != 200 && got.status != 404 {
		t.Fatalf("a genuine token: %d %s", got.status, got.body)
	}
	before := len(s.registry.Log())
	for name, token := range forgeries(t, genuine, s.token(t, "dev", devPassword, "repository:team/a:pull")) {
		got := s.send(t, raw{method: "GET", target: target}, token)
		if challenge := got.header.Get("Www-Authenticate"); got.status != 401 || !strings.Contains(challenge, `error="invalid_token"`) {
			t.Errorf("%s: %d, challenge %q; want 401 and invalid_token", name, got.status, challenge)
		}
	}
	if log := s.registry.Log()[before:]; strings.Contains(log, "secret/a") {
		t.Errorf("the registry saw a request:\n%s", log)
	}
}

// forgeries makes tokens out of a genuine one that opens the target, and one
// that does not.
func forgeries(t *testing.T, genuine, other string) map[string]string {
	header, claims, signature := split(t, genuine)
	_, _, otherSignature := split(t, other)
	leaf := leafOf(t, header)
	spki, err := x509.MarshalPKIXPublicKey(leaf.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	stranger := newStranger(t)
	all := map[string]string{
		"no signature":            join(header, claims, nil),
		"alg none":                join(with(header, "alg", "none"), claims, nil),
		"alg None, signature":     join(with(header, "alg", "None"), claims, signature),
		"another's signature":     join(header, claims, otherSignature),
		"more rights":             join(header, with(claims, "sub", "root"), signature),
		"later expiry":            join(header, with(claims, "exp", time.Now().Add(time.Hour).Unix()), signature),
		"a claim twice":           strings.Replace(genuine, ".", "."+base64.RawURLEncoding.EncodeToString([]byte(`{"a":`)), 1),
		"signed by a stranger":    stranger.sign(header, claims),
		"a stranger's x5c":        stranger.sign(with(header, "x5c", stranger.chain), claims),
		"a stranger's x5c, ours":  stranger.sign(with(header, "x5c", append(stranger.chain, header["x5c"].([]any)[0].(string))), claims),
		"a stranger's jwk":        stranger.sign(without(with(header, "jwk", stranger.jwk()), "x5c"), claims),
		"a stranger's jku":        stranger.sign(without(with(header, "jku", "https://evil.test/jwks"), "x5c"), claims),
		"unknown critical header": join(with(header, "crit", []string{"b64"}), claims, signature),
		"four parts":              genuine + ".e30",
		"two parts":               genuine[:strings.LastIndex(genuine, ".")],
		"not base64":              "a.b.c",
		"empty":                   "..",
		"large":                   strings.Repeat("a", 30<<10) + "." + strings.Repeat("b", 30<<10) + ".c",
	}
	for name, key := range map[string][]byte{
		"leaf": leaf.Raw, "key": spki,
		"pem": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}), "nothing": {},
	} {
		all["HS256 with "+name] = hs256(with(header, "alg", "HS256"), claims, key)
	}
	return all
}

type object = map[string]any

func split(t *testing.T, token string) (header, claims object, signature []byte) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("a token of %d parts", len(parts))
	}
	for i, into := range []*object{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	return header, claims, signature
}

func join(header, claims object, signature []byte) string {
	return unsigned(header, claims) + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func unsigned(header, claims object) string {
	h, _ := json.Marshal(header) // plain data of ours
	c, _ := json.Marshal(claims)
	return base64.RawURLEncoding.EncodeToString(h) + "." + base64.RawURLEncoding.EncodeToString(c)
}

func with(o object, key string, value any) object {
	changed := maps.Clone(o)
	changed[key] = value
	return changed
}

func without(o object, key string) object {
	changed := maps.Clone(o)
	delete(changed, key)
	return changed
}

func hs256(header, claims object, key []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(unsigned(header, claims)))
	return join(header, claims, mac.Sum(nil))
}

func leafOf(t *testing.T, header object) *x509.Certificate {
	t.Helper()
	chain, ok := header["x5c"].([]any)
	if !ok || len(chain) == 0 {
		t.Fatalf("a token without x5c: %v", header)
	}
	der, err := base64.StdEncoding.DecodeString(chain[0].(string))
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// A stranger has a key, and a certificate that it has signed for itself.
type stranger struct {
	key   *ecdsa.PrivateKey
	chain []string
}

func newStranger(t *testing.T) stranger {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "stranger"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return stranger{key, []string{base64.StdEncoding.EncodeToString(der)}}
}

// sign makes a token that is right in all but who signed it.
func (s stranger) sign(header, claims object) string {
	sum := sha256.Sum256([]byte(unsigned(header, claims)))
	r, v, err := ecdsa.Sign(rand.Reader, s.key, sum[:])
	if err != nil {
		panic(err) // no randomness
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	v.FillBytes(signature[32:])
	return join(header, claims, signature)
}

func (s stranger) jwk() object {
	point, err := s.key.PublicKey.Bytes()
	if err != nil {
		panic(err) // a key that we made
	}
	b64 := base64.RawURLEncoding.EncodeToString
	return object{"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}
}
