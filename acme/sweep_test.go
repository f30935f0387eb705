package acme

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"go.uber.org/zap"
)

func TestSweepTakesWhatExpiredLongAgo(t *testing.T) {
	t.Parallel()
	store, ca := openStore(t), testRoot(t, "swept.example.com")
	every := brisk()
	every.sweep = 20 * time.Millisecond
	m := newManaged(newShelf(), store, every, zap.NewNop())
	dirs := map[string]time.Duration{"long-ago": -15 * 24 * time.Hour, "lately": -13 * 24 * time.Hour, "valid": time.Hour}
	for name, left := range dirs {
		key := "certificates/some-ca/" + name + "/" + name
		cert := pemOf(t, ca, time.Now().Add(left))
		for part, value := range map[string][]byte{".key": []byte("key"), ".crt": cert} {
			if err := m.storage.Store(t.Context(), key+part, value); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.storage.Store(t.Context(), key+".json", []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	m.follow(newPlan(nil, nil, false))
	m.start(t.Context())
	t.Cleanup(m.close)
	there := func(name string) bool {
		return m.storage.Exists(t.Context(), "certificates/some-ca/"+name+"/"+name+".crt")
	}
	eventually(t, "what expired long ago has gone", func() bool { return !there("long-ago") })
	if !there("lately") || !there("valid") {
		t.Error("more than that has gone")
	}
}

// pemOf is a certificate that ends at a time.
func pemOf(t *testing.T, ca *authority, end time.Time) []byte {
	t.Helper()
	leaf := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: end.Add(-time.Hour), NotAfter: end, DNSNames: []string{"swept.example.com"}}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca.cert, ca.key.Public(), ca.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
