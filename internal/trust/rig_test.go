package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"time"
)

// A pair is a certificate and its key.
type pair struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

// issue makes a certificate below above, or one that signs itself. change may
// make it what the test is about.
func issue(t testing.TB, name string, above *pair, change func(*x509.Certificate)) *pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour),
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
	}
	if change != nil {
		change(template)
	}
	parent, signer := template, key
	if above != nil {
		parent, signer = above.Certificate, above.key
	}
	public := key.Public()
	if template.PublicKey != nil {
		public = template.PublicKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &pair{c, key}
}

// leaf makes a certificate for servers with the names.
func leaf(t testing.TB, above *pair, names ...string) *x509.Certificate {
	t.Helper()
	return issue(t, "", above, func(c *x509.Certificate) {
		c.Subject = pkix.Name{Organization: []string{"regate"}}
		c.KeyUsage, c.IsCA = x509.KeyUsageDigitalSignature, false
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		for _, n := range names {
			if ip := net.ParseIP(n); ip != nil {
				c.IPAddresses = append(c.IPAddresses, ip)
			} else {
				c.DNSNames = append(c.DNSNames, n)
			}
		}
	}).Certificate
}

func host(t testing.TB, arg string) Host {
	t.Helper()
	h, err := ParseHost(arg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}
