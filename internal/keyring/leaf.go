package keyring

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"time"
)

// The life of a leaf: it is published a little before it signs, so that those
// who read the JWKS have it by then, signs for a day, and is good for
// verifying until its certificate ends. That leaves a whole day after the last
// signature of MaxTokenLife in which a renewal may fail.
const (
	leafLife  = 72 * time.Hour
	signFor   = 24 * time.Hour
	publishes = 4 * poll
)

// A leaf is a key that signs tokens. Its state is never written down, it
// follows from the time alone, so that gates that share it agree:
//
//	published    before signFrom
//	signing      from signFrom until another's signFrom
//	verify-only  from then on
//	gone         when its certificate has ended
type leaf struct {
	cert     *x509.Certificate
	key      *ecdsa.PrivateKey // nil if it has signed for the last time
	signFrom time.Time
}

// storedLeaf is a leaf as the Store has it.
type storedLeaf struct {
	storedPair
	SignFrom int64 `json:"sign_from"` // Unix seconds
}

// newLeaf makes a leaf that signs from the given time on.
func (r *root) newLeaf(now, signFrom time.Time) (leaf, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return leaf{}, err
	}
	tmpl := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: "regate tokens from " + signFrom.UTC().Format(time.RFC3339)},
		NotBefore:             now.Add(-backdate),
		NotAfter:              earlier(now.Add(leafLife), r.cert.NotAfter),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, r.cert, &key.PublicKey, r.key)
	if err != nil {
		return leaf{}, err
	}
	cert, err := x509.ParseCertificate(der)
	return leaf{cert, key, signFrom.Truncate(time.Second)}, err
}

// verify checks that cert may sign tokens now: issued by the root itself, for
// signing, and for nothing else. A root that was brought may have issued
// certificates for TLS as well; those have names or extended usages, and must
// not open a registry.
func (r *root) verify(cert *x509.Certificate, now time.Time) (*ecdsa.PublicKey, error) {
	chains, err := cert.Verify(x509.VerifyOptions{
		Roots:         r.pool,
		Intermediates: x509.NewCertPool(),
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return nil, err
	}
	pub, ok := cert.PublicKey.(*ecdsa.PublicKey)
	switch {
	case !ok || pub.Curve != elliptic.P256():
		return nil, errors.New("the certificate's key is not on P-256")
	case len(chains[0]) != 2 || cert.IsCA || cert.KeyUsage != x509.KeyUsageDigitalSignature:
		return nil, errors.New("the certificate is not one for signatures")
	case len(cert.ExtKeyUsage)+len(cert.UnknownExtKeyUsage) > 0, named(cert):
		return nil, errors.New("the certificate is one for TLS")
	}
	return pub, nil
}

func named(c *x509.Certificate) bool {
	return len(c.DNSNames)+len(c.IPAddresses)+len(c.EmailAddresses)+len(c.URIs) > 0
}

func (l leaf) marshal() (storedLeaf, error) {
	s := storedLeaf{storedPair{Cert: l.cert.Raw}, l.signFrom.Unix()}
	if l.key == nil {
		return s, nil
	}
	var err error
	s.Key, err = x509.MarshalPKCS8PrivateKey(l.key)
	return s, err
}

func (s storedLeaf) leaf() (leaf, error) {
	cert, err := x509.ParseCertificate(s.Cert)
	if err != nil {
		return leaf{}, err
	}
	l := leaf{cert: cert, signFrom: time.Unix(s.SignFrom, 0)}
	if len(s.Key) == 0 {
		return l, nil
	}
	if l.key, err = parseKey(s.Key); err != nil {
		return leaf{}, err
	}
	if !l.key.PublicKey.Equal(cert.PublicKey) {
		return leaf{}, errors.New("a key and its certificate do not belong together")
	}
	return l, nil
}

func (l *leaf) validAt(now time.Time) bool {
	return !now.Before(l.cert.NotBefore) && !now.After(l.cert.NotAfter)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// serial is 127 random bits: RFC 5280 4.1.2.2 wants it positive and at most
// 20 octets long.
func serial() *big.Int {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b)
}
