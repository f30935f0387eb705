package keyring

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

func ecKey(t *testing.T, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// template is a good root, for a test to spoil.
func template() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "token root of Example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true,
	}
}

func selfSigned(t *testing.T, tmpl *x509.Certificate, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func pkcs8(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("PRIVATE KEY", der)
}

func sec1(t *testing.T, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("EC PRIVATE KEY", der)
}

func TestBroughtRoot(t *testing.T) {
	t.Parallel()
	key := ecKey(t, elliptic.P256())
	p384 := ecKey(t, elliptic.P384())
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	cert := func(spoil func(*x509.Certificate)) []byte {
		tmpl := template()
		spoil(tmpl)
		return pemOf("CERTIFICATE", selfSigned(t, tmpl, key))
	}
	good := cert(func(*x509.Certificate) {})
	params := pemOf("EC PARAMETERS", []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7})

	tests := []struct {
		name      string
		cert, key []byte
		want      string // in the error; "" is success
	}{
		{"PKCS #8", good, pkcs8(t, key), ""},
		{"SEC 1, as openssl ecparam writes it", good, slices.Concat(params, sec1(t, key)), ""},
		{"another key", good, pkcs8(t, ecKey(t, elliptic.P256())), "not that of the token root"},
		{"RSA", pemOf("CERTIFICATE", selfSigned(t, template(), rsaKey)), pkcs8(t, rsaKey), "not an ECDSA key"},
		{"RSA with an EC key", pemOf("CERTIFICATE", selfSigned(t, template(), rsaKey)), pkcs8(t, key), "P-256"},
		{"P-384", pemOf("CERTIFICATE", selfSigned(t, template(), p384)), pkcs8(t, p384), "P-256"},
		{"no CA", cert(func(c *x509.Certificate) { c.IsCA = false }), pkcs8(t, key), "not that of a CA"},
		{"may not sign certificates", cert(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }), pkcs8(t, key), "keyCertSign"},
		{"expired", cert(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), pkcs8(t, key), "has expired"},
		{"not yet", cert(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }), pkcs8(t, key), "is the clock right"},
		{"a bundle", slices.Concat(good, good), pkcs8(t, key), "more than one"},
		{"no certificate", []byte("hello"), pkcs8(t, key), "no PEM certificate"},
		{"key for certificate", pkcs8(t, key), pkcs8(t, key), "no PEM certificate"},
		{"broken certificate", pemOf("CERTIFICATE", []byte{1}), pkcs8(t, key), "x509"},
		{"no key", good, good, "no unencrypted PEM private key"},
		{"encrypted key", good, pemOf("ENCRYPTED PRIVATE KEY", []byte{1}), "no unencrypted PEM private key"},
		{"broken key", good, pemOf("PRIVATE KEY", []byte{1}), "root.key"},
		{"broken SEC 1 key", good, pemOf("EC PRIVATE KEY", []byte{1}), "root.key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			o := Options{Store: openStore(t), Cert: writeFile(t, dir, "root.crt", tt.cert), Key: writeFile(t, dir, "root.key", tt.key)}
			r, err := Open(t.Context(), o, nil)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("Open = %v, want an error with %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatalf("Open = %v", err)
			}
			if _, err := r.Verifier(r.Signer().Chain[0]); err != nil || string(r.RootPEM()) != string(good) {
				t.Errorf("Verifier: %v; root %q", err, r.RootPEM())
			}
		})
	}
}

func TestHalfARootIsAnError(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{Cert: "a"}, {Key: "a"}, {Cert: "/nonexistent", Key: "/nonexistent"}} {
		o.Store = openStore(t)
		if _, err := Open(t.Context(), o, nil); err == nil {
			t.Errorf("Open with certificate %q and key %q succeeded", o.Cert, o.Key)
		}
	}
}

// A leaf never outlives its root: registries check both.
func TestLeafEndsWithItsRoot(t *testing.T) {
	t.Parallel()
	key, tmpl := ecKey(t, elliptic.P256()), template()
	tmpl.NotAfter = time.Now().Add(5 * time.Hour)
	dir := t.TempDir()
	r := openRing(t, Options{
		Store: openStore(t),
		Cert:  writeFile(t, dir, "root.crt", pemOf("CERTIFICATE", selfSigned(t, tmpl, key))),
		Key:   writeFile(t, dir, "root.key", pkcs8(t, key)),
	})
	if !r.Signer().NotAfter.Equal(r.Root().NotAfter) {
		t.Errorf("leaf ends at %v, root at %v", r.Signer().NotAfter, r.Root().NotAfter)
	}
}

// issue makes a certificate below the ring's root, which no Ring would.
func issue(t *testing.T, r *root, spoil func(*x509.Certificate)) []byte {
	t.Helper()
	tmpl := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "leaf"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	spoil(tmpl)
	key := ecKey(t, elliptic.P256())
	der, err := x509.CreateCertificate(rand.Reader, tmpl, r.cert, &key.PublicKey, r.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

var strangeLeaves = []struct {
	name  string
	spoil func(*x509.Certificate)
	want  string // in the error; "" is success
}{
	{"unknown, but ours", func(*x509.Certificate) {}, ""},
	{"expired", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, "expired"},
	{"not yet valid", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }, "not yet valid"},
	{"a CA", func(c *x509.Certificate) { c.IsCA = true }, "not one for signatures"},
	{"may sign certificates", func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }, "not one for signatures"},
	{"no usage", func(c *x509.Certificate) { c.KeyUsage = 0 }, "not one for signatures"},
	{"TLS server", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, "for TLS"},
	{"TLS client", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, "for TLS"},
	{"host name", func(c *x509.Certificate) { c.DNSNames = []string{"registry.example.com"} }, "for TLS"},
	{"address", func(c *x509.Certificate) { c.IPAddresses = []net.IP{{10, 0, 0, 1}} }, "for TLS"},
}

func TestVerifierJudgesStrangeLeaves(t *testing.T) {
	t.Parallel()
	r := openRing(t, Options{Store: openStore(t)})
	for _, tt := range strangeLeaves {
		t.Run(tt.name, func(t *testing.T) {
			_, err := r.Verifier(issue(t, r.root, tt.spoil))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Verifier = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestVerifierRefusesOtherRoots(t *testing.T) {
	t.Parallel()
	r, other := openRing(t, Options{Store: openStore(t)}), openRing(t, Options{Store: openStore(t)})
	tests := map[string][]byte{
		"leaf of another root with the same name": other.Signer().Chain[0],
		"the root itself":                         r.Root().Raw,
		"another root":                            other.Root().Raw,
		"nothing":                                 nil,
		"rubbish":                                 []byte("rubbish"),
		"leaf and more":                           append(slices.Clone(r.Signer().Chain[0]), 0),
	}
	for name, der := range tests {
		if _, err := r.Verifier(der); err == nil {
			t.Errorf("Verifier takes %s", name)
		}
	}
}

func TestVerifierKnowsTheTime(t *testing.T) {
	t.Parallel()
	now := time.Now()
	r := openRing(t, Options{Store: openStore(t), Now: func() time.Time { return now }})
	leaf := r.Signer().Chain[0]
	for _, tt := range []struct {
		ahead time.Duration
		ok    bool
	}{{-backdate - time.Minute, false}, {0, true}, {leafLife - time.Minute, true}, {leafLife + time.Minute, false}} {
		now = time.Now().Add(tt.ahead)
		if _, err := r.Verifier(leaf); (err == nil) != tt.ok {
			t.Errorf("Verifier %v from now = %v, want ok %v", tt.ahead, err, tt.ok)
		}
	}
}

func TestJWKS(t *testing.T) {
	t.Parallel()
	r := openRing(t, Options{Store: openStore(t)})
	var set struct {
		Keys []struct {
			Kty, Crv, Kid, Use, Alg, X, Y, D string
			X5c                              []string
		}
	}
	if err := json.Unmarshal(r.JWKS(), &set); err != nil || len(set.Keys) != 1 {
		t.Fatalf("JWKS() = %s, %v", r.JWKS(), err)
	}
	k := set.Keys[0]
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + k.X + `","y":"` + k.Y + `"}`))
	if want := base64.RawURLEncoding.EncodeToString(sum[:]); k.Kid != want || k.Kid != r.Signer().KeyID {
		t.Errorf("kid = %s, want the RFC 7638 thumbprint %s", k.Kid, want)
	}
	if k.Kty != "EC" || k.Crv != "P-256" || k.Alg != "ES256" || k.Use != "sig" || k.D != "" {
		t.Errorf("key = %+v", k)
	}
	if want := base64.StdEncoding.EncodeToString(r.Signer().Chain[0]); len(k.X5c) != 1 || k.X5c[0] != want {
		t.Errorf("x5c = %v, want %s", k.X5c, want)
	}
}

// One key in 128 has a coordinate that begins with a zero byte.
func TestCoordinatesAreNeverShort(t *testing.T) {
	t.Parallel()
	for short := false; !short; {
		key := &ecKey(t, elliptic.P256()).PublicKey
		x, y := coordinates(key)
		for _, c := range []string{x, y} {
			b, err := base64.RawURLEncoding.DecodeString(c)
			if err != nil || len(b) != 32 {
				t.Fatalf("coordinate %q has %d bytes, %v", c, len(b), err)
			}
			short = short || b[0] == 0
		}
	}
}
