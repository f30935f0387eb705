package testbed

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A CA signs server certificates. Nothing in the namespace trusts it unless it
// is told to.
type CA struct {
	File string // its certificate, PEM

	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewCA makes a certificate authority.
func NewCA(t testing.TB) *CA {
	t.Helper()
	ca := &CA{dir: Dir(t), key: newKey(t)}
	tmpl := template("Testbed CA")
	tmpl.IsCA, tmpl.BasicConstraintsValid = true, true
	tmpl.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der := sign(t, tmpl, tmpl, ca.key, ca.key)
	var err error
	if ca.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	ca.File = writePEM(t, filepath.Join(ca.dir, "ca.crt"), "CERTIFICATE", der)
	return ca
}

// LoadCA returns an authority that somebody else made: it can be trusted, but
// signs nothing.
func LoadCA(t testing.TB, file string) *CA {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("no certificate in %s", file)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return &CA{File: file, cert: cert}
}

// Issue makes a server certificate for the names, which may be addresses, and
// returns the files of chain and key.
func (ca *CA) Issue(t testing.TB, names ...string) (cert, key string) {
	t.Helper()
	tmpl := template(names[0])
	tmpl.KeyUsage = x509.KeyUsageDigitalSignature
	tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else {
			tmpl.DNSNames = append(tmpl.DNSNames, name)
		}
	}
	return ca.certify(t, tmpl)
}

// IssueClient makes a certificate for a client with this common name, and with
// the URIs as further names, and returns the files of both.
func (ca *CA) IssueClient(t testing.TB, name string, uris ...string) (cert, key string) {
	t.Helper()
	tmpl := template(name)
	tmpl.KeyUsage = x509.KeyUsageDigitalSignature
	tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for _, text := range uris {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		tmpl.URIs = append(tmpl.URIs, u)
	}
	return ca.certify(t, tmpl)
}

// IssueExpired makes a client's certificate that was good until a minute ago.
func (ca *CA) IssueExpired(t testing.TB, name string) (cert, key string) {
	t.Helper()
	tmpl := template(name)
	tmpl.NotAfter = time.Now().Add(-time.Minute)
	tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return ca.certify(t, tmpl)
}

// certify signs tmpl with a new key and returns the files of both.
func (ca *CA) certify(t testing.TB, tmpl *x509.Certificate) (cert, key string) {
	t.Helper()
	private := newKey(t)
	der := sign(t, tmpl, ca.cert, private, ca.key)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(ca.dir, tmpl.SerialNumber.Text(16))
	return writePEM(t, base+".crt", "CERTIFICATE", der), writePEM(t, base+".key", "PRIVATE KEY", pkcs8)
}

// Pool returns a pool with this authority alone.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// TLS has this authority trusted alone.
func (ca *CA) TLS() *tls.Config { return &tls.Config{RootCAs: ca.Pool()} }

// HTTP returns a client that trusts this authority alone and follows no
// redirect.
func (ca *CA) HTTP() *http.Client {
	return &http.Client{
		Timeout: Patience,
		Transport: attentive{&http.Transport{
			TLSClientConfig:    ca.TLS(),
			ForceAttemptHTTP2:  true,
			DisableCompression: true,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(random(15)),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(30 * 24 * time.Hour),
	}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, tmpl, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, by its documentation
	return b
}

func writePEM(t testing.TB, path, kind string, der []byte) string {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
