package client

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/regate/regate/acme/acmestub"
)

var testKey, otherKey = newKey(), newKey()

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// request asks for host with testKey.
func request(t testing.TB, host string) *x509.CertificateRequest {
	t.Helper()
	template := &x509.CertificateRequest{DNSNames: []string{host}}
	if ip := net.ParseIP(host); ip != nil {
		template = &x509.CertificateRequest{IPAddresses: []net.IP{ip}}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, testKey)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	return csr
}

// A made certificate is good for an hour and for a.example.com unless changed.
type made struct {
	host       string
	key        *ecdsa.PrivateKey
	start, end time.Duration // from now
}

func (m made) pem(t testing.TB) []byte {
	t.Helper()
	csr := request(t, m.host)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(m.start), NotAfter: time.Now().Add(m.end),
		DNSNames: csr.DNSNames, IPAddresses: csr.IPAddresses,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, m.key.Public(), m.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestFit(t *testing.T) {
	const host = "a.example.com"
	good := made{host, testKey, -time.Hour, time.Hour}.pem(t)
	short := made{host, testKey, -time.Second, 10 * time.Second}.pem(t)
	for _, tt := range []struct {
		name   string
		host   string
		public bool
		chain  []byte
		want   string // "" for none
	}{
		{"good", host, true, good, ""},
		{"as many as may be", host, true, bytes.Repeat(good, maxChain), ""},
		{"address", "192.0.2.7", true, made{"192.0.2.7", testKey, 0, time.Hour}.pem(t), ""},
		{"address of version 6", "2001:db8::7", true, made{"2001:db8::7", testKey, 0, time.Hour}.pem(t), ""},
		{"wildcard", "*.example.com", true, made{"*.example.com", testKey, 0, time.Hour}.pem(t), ""},
		{"our clock is behind", host, true, made{host, testKey, 4 * time.Minute, time.Hour}.pem(t), ""},
		{"short, of a test", host, false, short, ""},

		{"short", host, true, short, "lives for 11s only"},
		{"other host", host, true, made{"b.example.com", testKey, 0, time.Hour}.pem(t), "another host"},
		{"other address", "192.0.2.7", true, made{"192.0.2.8", testKey, 0, time.Hour}.pem(t), "another host"},
		{"other wildcard", "*.a.example.com", true, made{"*.example.com", testKey, 0, time.Hour}.pem(t), "another host"},
		{"host for wildcard", "*.example.com", true, good, "another host"},
		{"other key", host, true, made{host, otherKey, 0, time.Hour}.pem(t), "another key"},
		{"not yet", host, true, made{host, testKey, 6 * time.Minute, time.Hour}.pem(t), "not valid before"},
		{"no longer", host, true, made{host, testKey, -time.Hour, -time.Second}.pem(t), "expired"},
		{"many", host, true, bytes.Repeat(good, maxChain+1), "more than 10 certificates"},
		{"too many", host, true, bytes.Repeat(good, 20000), "bytes"},
		{"nothing", host, true, nil, "no PEM"},
		{"no certificate", host, true, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}), "cannot be read"},
		{"no certificate behind", host, true, append(bytes.Clone(good), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE"})...), "cannot be read"},
		{"key", host, true, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY"}), "PRIVATE KEY"},
	} {
		err := (&Issuer{cfg: Config{Public: tt.public}}).fit(tt.chain, request(t, tt.host))
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if _, ok := errors.AsType[Unfit](err); !ok || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want Unfit: …%s…", tt.name, err, tt.want)
		}
	}
}

func TestUnfitCertificateIsNotIssued(t *testing.T) {
	ca := acmestub.New(t)
	ca.Chain = func(cert []byte) []byte { return bytes.Repeat(cert, maxChain+1) }
	issuer := testIssuer(ca, nil, hooked{&certmagic.FileStorage{Path: t.TempDir()}, func() {}})
	_, err := issuer.Issue(t.Context(), request(t, "unfit.example.com"))
	if _, ok := errors.AsType[Unfit](err); !ok {
		t.Errorf("Issue = %v, want Unfit", err)
	}
}

func FuzzReadChain(f *testing.F) {
	f.Add(made{"a.example.com", testKey, 0, time.Hour}.pem(f))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, chain []byte) {
		leaf, err := readChain(chain)
		if (leaf == nil) == (err == nil) {
			t.Errorf("readChain = %v, %v", leaf, err)
		}
	})
}
