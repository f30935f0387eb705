package acme

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/regate/regate/internal/problem"
	"github.com/regate/regate/internal/state"
)

var domainTests = []struct{ host, want string }{
	{"registry.example.com", "example.com"},
	{"a.b.example.com", "b.example.com"},
	{"*.apps.example.com", "apps.example.com"},
	{"example.com", "example.com"},
	{"example.co.uk", "example.co.uk"},
	{"team.github.io", "team.github.io"},
	{"registry.corp.lan", "corp.lan"},
	{"registry.lan", "registry.lan"},
	{"localhost", "localhost"},
}

func TestDomain(t *testing.T) {
	for _, tt := range domainTests {
		if got := domain(tt.host); got != tt.want {
			t.Errorf("domain(%q) = %q, want %q", tt.host, got, tt.want)
		}
	}
}

var constraintTests = []struct {
	name    string
	hosts   []string // that the root was made for
	permits []string
	refuses []string
}{
	{
		name:    "names",
		hosts:   []string{"registry.example.com", "*.apps.example.net", "localhost"},
		permits: []string{"registry.example.com", "other.example.com", "*.example.com", "a.apps.example.net", "localhost"},
		refuses: []string{"example.org", "registry.example.org", "notexample.com", "example.net", "com", "*.com", "127.0.0.1", "::1", "8.8.8.8"},
	},
	{
		name:    "addresses",
		hosts:   []string{"10.0.0.5", "fd00::5"},
		permits: []string{"10.0.0.5", "fd00::5"},
		refuses: []string{"10.0.0.6", "fd00::6", "::ffff:10.0.0.6", "example.com", "*.example.com", "localhost"},
	},
	{
		name:    "both",
		hosts:   []string{"a.example.com", "10.0.0.5"},
		permits: []string{"a.example.com", "10.0.0.5"},
		refuses: []string{"a.example.org", "10.0.0.6", "fd00::5"},
	},
}

// Whoever has stolen the key of a root signs whatever he likes; it is the
// client that must refuse it.
func TestClientsRefuseStrangersOfTheRoot(t *testing.T) {
	for _, tt := range constraintTests {
		t.Run(tt.name, func(t *testing.T) {
			ca := testRoot(t, tt.hosts...)
			for _, host := range tt.permits {
				if err := clientVerifies(t, ca, host); err != nil {
					t.Errorf("client refuses %s: %v", host, err)
				}
				if err := ca.permits(host); err != nil {
					t.Errorf("permits(%q) = %v", host, err)
				}
			}
			for _, host := range tt.refuses {
				err := clientVerifies(t, ca, host)
				if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); !ok || invalid.Reason != x509.CANotAuthorizedForThisName {
					t.Errorf("client takes %s: %v", host, err)
				}
				if err := ca.permits(host); err == nil {
					t.Errorf("permits(%q)", host)
				}
			}
		})
	}
}

func testRoot(t *testing.T, hosts ...string) *authority {
	t.Helper()
	cert, key, err := newRoot("test CA", hosts)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := parseAuthority(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func clientVerifies(t *testing.T, ca *authority, host string) error {
	t.Helper()
	chain, err := ca.sign(request(t, host), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(chain)
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.pem())
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	return err
}

// request is a certificate request for hosts.
func request(t *testing.T, hosts ...string) *x509.CertificateRequest {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.CertificateRequest{}
	for _, h := range hosts {
		switch ip := net.ParseIP(h); {
		case ip != nil:
			template.IPAddresses = append(template.IPAddresses, ip)
		case strings.Contains(h, "@"):
			template.EmailAddresses = append(template.EmailAddresses, h)
		default:
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	return csr
}

func TestRootAndLeafAreAsTheProfileSays(t *testing.T) {
	ca := testRoot(t, "a.example.com")
	if c := ca.cert; !c.IsCA || !c.MaxPathLenZero || c.MaxPathLen != 0 || !c.PermittedDNSDomainsCritical ||
		c.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || time.Until(c.NotAfter) < 9*365*24*time.Hour {
		t.Errorf("root: %+v", c)
	}
	leaf, err := ca.leaf(request(t, "a.example.com"), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if leaf.IsCA || leaf.KeyUsage != x509.KeyUsageDigitalSignature || !slices.Equal(leaf.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) ||
		leaf.SerialNumber.BitLen() != 127 || time.Since(leaf.NotBefore) < 5*time.Minute || time.Until(leaf.NotAfter) > time.Hour {
		t.Errorf("leaf: %+v", leaf)
	}
}

func TestLeafEndsWithItsCA(t *testing.T) {
	ca := broughtCA(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(time.Hour) }, nil)
	leaf, err := ca.leaf(request(t, "a.example.com"), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if leaf.NotAfter.After(ca.cert.NotAfter) {
		t.Errorf("leaf ends at %s, after its CA at %s", leaf.NotAfter, ca.cert.NotAfter)
	}
}

func TestIssuerRefuses(t *testing.T) {
	i := issuer{ca: testRoot(t, "a.example.com", "10.0.0.5"), hosts: []string{"a.example.com", "*.b.example.com", "10.0.0.5"}, lifetime: time.Hour}
	for _, tt := range []struct {
		name  string
		hosts []string
		want  bool
	}{
		{"host", []string{"a.example.com"}, true},
		{"wildcard host", []string{"*.b.example.com"}, true},
		{"address", []string{"10.0.0.5"}, true},
		{"what the wildcard covers", []string{"x.b.example.com"}, false},
		{"neighbour", []string{"b.example.com"}, false},
		{"host and neighbour", []string{"a.example.com", "b.example.com"}, false},
		{"another address", []string{"10.0.0.6"}, false},
		{"mail address", []string{"a.example.com", "root@a.example.com"}, false},
		{"nothing", nil, false},
	} {
		if _, err := i.Issue(t.Context(), request(t, tt.hosts...)); (err == nil) != tt.want {
			t.Errorf("%s: Issue(%v): %v, want success %t", tt.name, tt.hosts, err, tt.want)
		}
	}
	forged := request(t, "a.example.com")
	forged.PublicKey, forged.RawSubjectPublicKeyInfo = i.ca.cert.PublicKey, i.ca.cert.RawSubjectPublicKeyInfo
	if _, err := i.Issue(t.Context(), forged); err == nil {
		t.Error("Issue took a request that its key has not signed")
	}
}

func TestHostOutsideTheRoot(t *testing.T) {
	t.Parallel()
	st := openStore(t)
	first := newTestManager(t, internal("registry.example.com", "10.0.0.5"), st)

	outside := internal("registry.example.com", "registry.example.org", "10.0.0.6")
	_, err := New(t.Context(), outside, Deps{Store: st})
	var l problem.List
	if !errors.As(err, &l) || len(l) != 2 || l[0].Path != "hosts[1]" || l[1].Path != "hosts[2]" {
		t.Fatalf("New with hosts outside: %v, want hosts[1] and hosts[2]", err)
	}
	for _, want := range []string{"registry.example.org is not among", "example.com, 10.0.0.5/32", "tls.internal.name", "ca_cert"} {
		if !strings.Contains(l[0].Msg, want) {
			t.Errorf("message %q does not say %q", l[0].Msg, want)
		}
	}
	if _, err := first.Prepare(t.Context(), outside); err == nil {
		t.Error("a reload took hosts that New refuses")
	}

	outside.Internal.Name = "second CA"
	second := newTestManager(t, outside, st)
	if second.CAFingerprint() == first.CAFingerprint() {
		t.Error("another name has made no other CA")
	}
}

// rendezvous makes the first n readers of a key that is not there wait for
// each other, so that each of them believes it is the first.
type rendezvous struct {
	state.Store
	wg sync.WaitGroup
}

func (r *rendezvous) Get(ctx context.Context, key string) (state.Value, error) {
	v, err := r.Store.Get(ctx, key)
	if errors.Is(err, state.ErrNotFound) {
		r.wg.Done()
		r.wg.Wait()
	}
	return v, err
}

func TestTwoManagersMakeOneCA(t *testing.T) {
	t.Parallel()
	const n = 4
	st := &rendezvous{Store: openStore(t)}
	st.wg.Add(n)
	cas := make(chan string, n)
	for range n {
		go func() {
			ca := ""
			if m, err := New(t.Context(), internal("a.example.com"), Deps{Store: st}); err == nil {
				ca = m.CAFingerprint()
			}
			cas <- ca
		}()
	}
	first := <-cas
	for range n - 1 {
		if ca := <-cas; ca != first || ca == "" {
			t.Errorf("CA %s beside %s", ca, first)
		}
	}
}

func TestCAFileIsForEverybodyToRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ca.pem")
	st := openStore(t)
	for range 2 {
		m, err := New(t.Context(), internal("a.example.com"), Deps{Store: st, CAFile: path})
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != string(m.CAPEM()) || strings.Contains(string(got), "PRIVATE") {
			t.Errorf("ca.pem = %q, %v, want %q", got, err, m.CAPEM())
		}
		if fi, _ := os.Stat(path); fi.Mode().Perm() != 0o644 {
			t.Errorf("ca.pem has mode %v", fi.Mode())
		}
	}
}
