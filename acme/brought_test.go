package acme

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// broughtCA makes a CA of the kind that a company has. change may spoil it.
func broughtCA(t *testing.T, change func(*x509.Certificate), above *authority) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "Corp CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour),
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
	}
	if change != nil {
		change(template)
	}
	a := &authority{key: key}
	parent, signer := template, any(key)
	if above != nil {
		parent, signer = above.cert, above.key
		a.chain = append([]*x509.Certificate{above.cert}, above.chain...)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

// write puts the CA's files into a new directory.
func (a *authority) write(t *testing.T) Internal {
	t.Helper()
	dir := t.TempDir()
	in := Internal{CACert: filepath.Join(dir, "ca.crt"), CAKey: filepath.Join(dir, "ca.key")}
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, in.CACert, encodeCerts(append([]*x509.Certificate{a.cert}, a.chain...)))
	writeFile(t, in.CAKey, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return in
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestBroughtCA(t *testing.T) {
	t.Parallel()
	top := broughtCA(t, nil, nil)
	for _, tt := range []struct {
		name    string
		ca      *authority
		wantErr string
	}{
		{name: "root", ca: top},
		{name: "intermediate", ca: broughtCA(t, nil, top)},
		{name: "no CA", ca: broughtCA(t, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, 0 }, nil), wantErr: "no CA certificate"},
		{name: "may not sign", ca: broughtCA(t, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }, nil), wantErr: "no CA certificate"},
		{name: "over", ca: broughtCA(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, nil), wantErr: "expired"},
		{name: "of other domains", wantErr: "may sign for (example.org)",
			ca: broughtCA(t, func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example.org"} }, nil)},
		{name: "below a root of other domains", wantErr: "may sign for (example.org)",
			ca: broughtCA(t, nil, broughtCA(t, func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example.org"} }, nil))},
		{name: "key of another", ca: &authority{cert: top.cert, key: testRoot(t, "a").key}, wantErr: "private key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := internal("a.example.com")
			cfg.Internal = tt.ca.write(t)
			m, err := newManager(t.Context(), cfg, Deps{Store: openStore(t)}, brisk())
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Fatalf("New: %v, want %q", err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			m.Start(t.Context())
			defer m.Close()
			waitAll(t, m)
			if _, err := dial(t, serve(t, m), trusting(encodeCerts([]*x509.Certificate{top.cert}), "a.example.com")); err != nil {
				t.Errorf("client that trusts the root alone: %v", err)
			}
			if got := m.CAPEM(); !bytes.Equal(got, encodeCerts([]*x509.Certificate{top.cert})) || m.CAFingerprint() != fingerprint(top.cert) {
				t.Errorf("clients are told to trust %s:\n%s\nwant the root alone, %s", m.CAFingerprint(), got, fingerprint(top.cert))
			}
		})
	}
}
