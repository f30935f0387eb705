package keyring

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/internal/state"
)

// RootKey is where the Store has the root, if the operator has brought none. It
// is written once.
const RootKey = "keys/token/root"

const (
	rootYears = 10
	backdate  = time.Hour // of every certificate, for registries whose clock is behind
)

// A root signs leaves. Registries have its certificate.
type root struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

// storedPair is a certificate and its key as the Store has them.
type storedPair struct {
	Cert []byte `json:"cert"` // DER
	Key  []byte `json:"key"`  // PKCS #8
}

// sharedRoot returns the root that the gates share. Only if the Store says
// that there is none, and only under the lease, one is made.
func (r *Ring) sharedRoot(ctx context.Context) (*root, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	found, err := r.storedRoot(ctx)
	if !errors.Is(err, state.ErrNotFound) {
		return found, err
	}
	lease, err := r.store.Acquire(ctx, leaseName, leaseTime)
	if err != nil {
		return nil, err
	}
	defer r.release(ctx, lease)
	return r.makeRoot(ctx, lease)
}

func (r *Ring) storedRoot(ctx context.Context) (*root, error) {
	v, err := r.store.Get(ctx, RootKey)
	if err != nil {
		return nil, err
	}
	cert, pkcs8, err := parsePair(v.Data)
	if err != nil {
		return nil, fmt.Errorf("%s in state: %w", RootKey, err)
	}
	key, err := parseKey(pkcs8)
	if err != nil {
		return nil, fmt.Errorf("%s in state: %w", RootKey, err)
	}
	return newRoot(cert, key)
}

func parsePair(text []byte) (cert *x509.Certificate, pkcs8 []byte, err error) {
	var p storedPair
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, nil, err
	}
	cert, err = x509.ParseCertificate(p.Cert)
	return cert, p.Key, err
}

// RootFingerprint is the Fingerprint of what a Store has at RootKey.
func RootFingerprint(stored []byte) (string, error) {
	cert, _, err := parsePair(stored)
	if err != nil {
		return "", err
	}
	return fingerprint(cert), nil
}

// makeRoot writes a new root over nothing: whoever was faster wins.
func (r *Ring) makeRoot(ctx context.Context, lease state.Lease) (*root, error) {
	made, err := generateRoot(r.now())
	if err != nil {
		return nil, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(made.key)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(storedPair{made.cert.Raw, key})
	if err != nil {
		return nil, err
	}
	if _, err := r.store.Put(ctx, RootKey, text, state.PutOpts{IfRev: new(uint64), Fence: lease.Fence()}); err != nil {
		return nil, err
	}
	r.log.Info("token root made", zap.String("fingerprint", fingerprint(made.cert)))
	return made, nil
}

func generateRoot(now time.Time) (*root, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	tmpl := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: "regate token root"},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.AddDate(rootYears, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return newRoot(cert, key)
}

// newRoot checks that the pair can sign leaves that both gate and registries
// will take. Dates are another matter: see valid.
func newRoot(cert *x509.Certificate, key *ecdsa.PrivateKey) (*root, error) {
	pub, ok := cert.PublicKey.(*ecdsa.PublicKey)
	switch {
	case !ok || pub.Curve != elliptic.P256() || key.Curve != elliptic.P256():
		return nil, errors.New("the token root must have an ECDSA P-256 key, since tokens are signed with ES256")
	case !key.PublicKey.Equal(pub):
		return nil, errors.New("the key is not that of the token root's certificate")
	case !cert.BasicConstraintsValid || !cert.IsCA || cert.KeyUsage&x509.KeyUsageCertSign == 0:
		return nil, errors.New("the token root's certificate is not that of a CA (basicConstraints CA:TRUE, keyUsage keyCertSign)")
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &root{cert, key, pool}, nil
}

func (r *root) valid(now time.Time) error {
	if now.Before(r.cert.NotBefore) {
		return fmt.Errorf("the token root is not valid before %s: is the clock right?", r.cert.NotBefore.Format(time.RFC3339))
	}
	if now.After(r.cert.NotAfter) {
		return fmt.Errorf("the token root has expired at %s", r.cert.NotAfter.Format(time.RFC3339))
	}
	return nil
}

func (r *root) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.cert.Raw})
}

func (r *root) keyPEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(r.key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return fmt.Sprintf("sha256:%x", sum)
}

// id is short and enough to tell roots apart in the Store.
func (r *root) id() string {
	sum := sha256.Sum256(r.cert.Raw)
	return fmt.Sprintf("%x", sum[:8])
}

// is reports whether text is a PEM file with the root's certificate alone.
func (r *root) is(text []byte) bool {
	block, rest := pem.Decode(text)
	return block != nil && bytes.Equal(block.Bytes, r.cert.Raw) && len(bytes.TrimSpace(rest)) == 0
}

func parseKey(pkcs8 []byte) (*ecdsa.PrivateKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		return nil, err
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the key is a %T, not an ECDSA key", key)
	}
	return ec, nil
}
