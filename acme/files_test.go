package acme

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/internal/problem"
)

// corp signs the certificates of these tests.
func corp(t *testing.T) *authority { return broughtCA(t, nil, nil) }

// pair is a certificate for names with its key, as PEM.
func (a *authority) pair(t *testing.T, names ...string) rawPair {
	t.Helper()
	key, err := ecdsa.GenerateKey(a.cert.PublicKey.(*ecdsa.PublicKey).Curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return a.pairOf(t, key, key.Public(), names)
}

func (a *authority) pairOf(t *testing.T, key, public any, names []string) rawPair {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, public, a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return rawPair{
		cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}
}

func (p rawPair) write(t *testing.T, at KeyPair) {
	t.Helper()
	writeFile(t, at.Cert, p.cert)
	writeFile(t, at.Key, p.key)
}

// pairsIn writes the pairs to dir and names them.
func pairsIn(t *testing.T, dir string, pairs ...rawPair) []KeyPair {
	t.Helper()
	var named []KeyPair
	for i, p := range pairs {
		prefix := filepath.Join(dir, string(rune('a'+i)))
		named = append(named, KeyPair{Cert: prefix + ".crt", Key: prefix + ".key"})
		p.write(t, named[i])
	}
	return named
}

func fromFiles(pairs []KeyPair, hosts ...string) Config {
	return Config{Mode: ModeFiles, Hosts: hosts, Files: pairs}
}

var certsForTests = []struct {
	host string
	want []int // of the certificates below
}{
	{"a.example.com", []int{1, 0}},
	{"b.example.com", []int{0}},
	{"*.example.com", []int{0}},
	{"10.0.0.5", []int{2}},
	{"both.example.net", []int{3, 4}},
	{"example.com", nil},
	{"a.b.example.com", nil},
}

func TestCertsFor(t *testing.T) {
	ca := corp(t)
	var all []*tls.Certificate
	for _, names := range [][]string{{"*.example.com"}, {"A.example.com"}, {"10.0.0.5"}, {"both.example.net"}, {"both.example.net"}} {
		p := ca.pair(t, names...)
		cert, err := tls.X509KeyPair(p.cert, p.key)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &cert)
	}
	for _, tt := range certsForTests {
		var got []int
		for _, c := range certsFor(tt.host, all) {
			got = append(got, slices.Index(all, c))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("certsFor(%q) = %v, want %v", tt.host, got, tt.want)
		}
	}
}

// A client that knows only RSA gets the RSA certificate of a host that has both.
func TestFilesOfBothKinds(t *testing.T) {
	t.Parallel()
	ca := corp(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pairs := pairsIn(t, t.TempDir(), ca.pair(t, "a.example.com"), ca.pairOf(t, key, key.Public(), []string{"a.example.com"}))
	addr := serve(t, startManager(t, fromFiles(pairs, "a.example.com"), nil))
	for _, tt := range []struct {
		suites []uint16
		want   x509.PublicKeyAlgorithm
	}{
		{nil, x509.ECDSA},
		{[]uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}, x509.RSA},
	} {
		cfg := trusting(ca.pem(), "a.example.com")
		cfg.MaxVersion, cfg.CipherSuites = tls.VersionTLS12, tt.suites
		c, err := dial(t, addr, cfg)
		if err != nil {
			t.Fatalf("suites %v: %v", tt.suites, err)
		}
		if got := c.ConnectionState().PeerCertificates[0].PublicKeyAlgorithm; got != tt.want {
			t.Errorf("suites %v: certificate is %v, want %v", tt.suites, got, tt.want)
		}
	}
}

func TestFilesRefusedAtLoad(t *testing.T) {
	t.Parallel()
	ca, dir := corp(t), t.TempDir()
	good, other := ca.pair(t, "a.example.com"), ca.pair(t, "b.example.com")
	at := pairsIn(t, dir, good, rawPair{good.cert, other.key}, rawPair{[]byte("no PEM"), good.key})
	missing := KeyPair{Cert: filepath.Join(dir, "none.crt"), Key: at[0].Key}
	for _, tt := range []struct {
		name  string
		pairs []KeyPair
		hosts []string
		want  []string // paths
	}{
		{"key of another, and no PEM", []KeyPair{at[0], at[1], at[2]}, []string{"a.example.com"}, []string{"files[1]", "files[2]"}},
		{"missing", []KeyPair{at[0], missing}, []string{"a.example.com"}, []string{"files[1].cert"}},
		{"hosts in none", at[:1], []string{"x.example.com", "a.example.com", "y.example.com"}, []string{"hosts[0]", "hosts[2]"}},
	} {
		_, err := New(t.Context(), fromFiles(tt.pairs, tt.hosts...), Deps{})
		var l problem.List
		_ = errors.As(err, &l)
		var got []string
		for _, p := range l {
			got = append(got, p.Path)
			if strings.Contains(p.Msg, "PRIVATE") {
				t.Errorf("%s: message with a key: %s", tt.name, p.Msg)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: New: %v, want problems at %v", tt.name, err, tt.want)
		}
	}
}

// Each way in which people and programs replace a certificate.
var replaceTests = []struct {
	name    string
	replace func(t *testing.T, at KeyPair, p rawPair)
}{
	{"written over", func(t *testing.T, at KeyPair, p rawPair) { p.write(t, at) }},
	{"renamed over", func(t *testing.T, at KeyPair, p rawPair) {
		tmp := KeyPair{at.Cert + ".tmp", at.Key + ".tmp"}
		p.write(t, tmp)
		rename(t, tmp.Cert, at.Cert)
		rename(t, tmp.Key, at.Key)
	}},
	{"removed and made again", func(t *testing.T, at KeyPair, p rawPair) {
		_ = os.Remove(at.Cert)
		p.write(t, at)
	}},
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func TestFilesAreReadAgain(t *testing.T) {
	t.Parallel()
	ca := corp(t)
	for _, tt := range replaceTests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pairs := pairsIn(t, t.TempDir(), ca.pair(t, "a.example.com"))
			m := startManager(t, fromFiles(pairs, "a.example.com"), nil)
			addr, before := serve(t, m), m.serial("a.example.com")
			tt.replace(t, pairs[0], ca.pair(t, "a.example.com"))
			eventually(t, "the new certificate is served", func() bool {
				c, err := dial(t, addr, trusting(ca.pem(), "a.example.com"))
				if err != nil {
					t.Fatalf("handshake while files change: %v", err)
				}
				return c.ConnectionState().PeerCertificates[0].SerialNumber.String() != before
			})
		})
	}
}

// Kubernetes swaps a link to the directory with all files of a Secret.
func TestFilesBehindALinkAreReadAgain(t *testing.T) {
	t.Parallel()
	ca, dir := corp(t), t.TempDir()
	for _, version := range []string{"1", "2"} {
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		pairsIn(t, filepath.Join(dir, version), ca.pair(t, "a.example.com"))
	}
	data := filepath.Join(dir, "..data")
	for link, target := range map[string]string{data: "1", filepath.Join(dir, "a.crt"): "..data/a.crt", filepath.Join(dir, "a.key"): "..data/a.key"} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
	}
	m := startManager(t, fromFiles([]KeyPair{{filepath.Join(dir, "a.crt"), filepath.Join(dir, "a.key")}}, "a.example.com"), nil)
	before := m.serial("a.example.com")
	if err := os.Symlink("2", data+"_tmp"); err != nil {
		t.Fatal(err)
	}
	rename(t, data+"_tmp", data)
	eventually(t, "the new certificate is served", func() bool { return m.serial("a.example.com") != before })
}

// unpolled is a manager that looks at its files when the test says so.
func unpolled(t *testing.T, cfg Config) *Manager {
	t.Helper()
	m, err := newManager(t.Context(), cfg, Deps{}, intervals{files: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestUnusableFilesChangeNothing(t *testing.T) {
	t.Parallel()
	ca := corp(t)
	pairs := pairsIn(t, t.TempDir(), ca.pair(t, "a.example.com"))
	m := unpolled(t, fromFiles(pairs, "a.example.com"))
	before, next := m.serial("a.example.com"), ca.pair(t, "a.example.com")

	for _, tt := range []struct {
		name    string
		content rawPair
	}{
		{"key not yet written", rawPair{next.cert, nil}},
		{"half of the certificate", rawPair{next.cert[:100], next.key}},
		{"for another host", ca.pair(t, "b.example.com")},
	} {
		tt.content.write(t, pairs[0])
		if err := m.files.refresh(); err == nil {
			t.Errorf("%s: refresh has no error", tt.name)
		}
		if s := m.Certificates()[0]; m.serial("a.example.com") != before || s.Pending || !s.Trouble.Failed() {
			t.Errorf("%s: serial %s, status %+v", tt.name, m.serial("a.example.com"), s)
		}
	}
	next.write(t, pairs[0])
	if err := m.files.refresh(); err != nil {
		t.Errorf("refresh with good files: %v", err)
	}
	if s := m.Certificates()[0]; m.serial("a.example.com") == before || s.Trouble.Failed() {
		t.Errorf("with good files: serial %s, status %+v", m.serial("a.example.com"), s)
	}
}

func TestFilesReload(t *testing.T) {
	t.Parallel()
	ca := corp(t)
	pairs := pairsIn(t, t.TempDir(), ca.pair(t, "a.example.com"), ca.pair(t, "b.example.com"))
	m := unpolled(t, fromFiles(pairs[:1], "a.example.com"))
	if _, err := m.Prepare(t.Context(), fromFiles(pairs[:1], "a.example.com", "b.example.com")); err == nil {
		t.Error("a reload with a host without a certificate was taken")
	}
	commit, err := m.Prepare(t.Context(), fromFiles(pairs, "a.example.com", "b.example.com"))
	if err != nil {
		t.Fatal(err)
	}
	if got := len(m.Certificates()); got != 1 {
		t.Errorf("%d certificates before commit, want 1", got)
	}
	commit()
	if got := len(m.Certificates()); got != 2 {
		t.Errorf("%d certificates after commit, want 2", got)
	}
}
