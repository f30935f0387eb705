package gate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"path/filepath"
	"testing"
	"time"
)

// A clientCA gives certificates to clients.
type clientCA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newClientCA(t *testing.T, name string) clientCA {
	t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name},
		IsCA:    true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	ca := clientCA{cert: template}
	pair := ca.issue(t, template)
	return clientCA{pair.Leaf, pair.PrivateKey.(*ecdsa.PrivateKey)}
}

// issue makes a certificate for an hour, or as long as the template says.
func (ca clientCA) issue(t *testing.T, template *x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	}
	signer := ca.key
	if signer == nil { // it signs itself
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// forClient is a certificate of a client with this common name.
func forClient(name string) *x509.Certificate {
	return &x509.Certificate{Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
}

func (ca clientCA) client(t *testing.T, name string) tls.Certificate {
	t.Helper()
	return ca.issue(t, forClient(name))
}

func bundle(cas ...clientCA) (text string) {
	for _, ca := range cas {
		text += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}))
	}
	return text
}

// asking is a configuration that asks for certificates below the CAs in a file.
func asking(t *testing.T, upstream string, cas ...clientCA) (path, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "client-ca.pem")
	write(t, file, bundle(cas...))
	path = changed(t, config(t, upstream, ""), "mode: internal", fmt.Sprintf("mode: internal, client_ca: %q", file))
	return changed(t, path, "  acl: [", `  client_certificates: [{name: cn, match: "*.ci", account: "ci-${1}"}]
  acl: [{match: {account: "ci-build", name: "web/*"}, actions: [pull]}, {match: {account: "ci-build", type: registry}, actions: ["*"]}, `), file
}

// A shower shows a certificate, whatever CAs the gate asks for.
type shower struct {
	*http.Client
	tls *tls.Config
}

func (g *running) show(pair *tls.Certificate, version uint16) shower {
	cfg := &tls.Config{
		RootCAs:    g.https.Transport.(*http.Transport).TLSClientConfig.RootCAs,
		MinVersion: version, MaxVersion: version,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil },
	}
	tr := &http.Transport{TLSClientConfig: cfg, ForceAttemptHTTP2: true}
	g.t.Cleanup(tr.CloseIdleConnections)
	return shower{&http.Client{Transport: tr, Timeout: patience}, cfg}
}

// as asks with another client.
func (g *running) as(c shower) *running {
	other := *g
	other.https = c.Client
	return &other
}

var versions = map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13}
