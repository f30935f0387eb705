package acme

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/regate/regate/internal/problem"
)

// An authority is a CA that the gate signs certificates of hosts with.
type authority struct {
	name  string              // tls.internal.name, "" if it was brought along
	cert  *x509.Certificate   // that signs
	chain []*x509.Certificate // from the one above cert to its root; mostly empty
	key   crypto.Signer
}

// parseAuthority reads a CA from PEM: the certificate, then its chain, if any.
func parseAuthority(certPEM, keyPEM []byte) (*authority, error) {
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, err
	}
	a := &authority{cert: pair.Leaf, key: pair.PrivateKey.(crypto.Signer)}
	for _, der := range pair.Certificate[1:] {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("chain of the CA: %w", err)
		}
		a.chain = append(a.chain, c)
	}
	if !a.cert.IsCA || a.cert.KeyUsage != 0 && a.cert.KeyUsage&x509.KeyUsageCertSign == 0 {
		return nil, fmt.Errorf("%s is no CA certificate", a.cert.Subject)
	}
	return a, nil
}

// top is the certificate that clients have to trust: that of the root, if the
// chain leads there. What is below it the gate sends along with its own.
func (a *authority) top() *x509.Certificate {
	if n := len(a.chain); n > 0 {
		return a.chain[n-1]
	}
	return a.cert
}

// pem is what clients are told to trust.
func (a *authority) pem() []byte {
	return encodeCerts([]*x509.Certificate{a.top()})
}

// fingerprint names what clients are told to trust.
func (a *authority) fingerprint() string { return fingerprint(a.top()) }

// fingerprint is "sha256:" and the hash of a certificate.
func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// permitsAll says which hosts the CA may not sign for, with paths of a Config.
func (a *authority) permitsAll(hosts []string) error {
	var l problem.List
	for i, host := range hosts {
		if err := a.permits(host); err != nil {
			l.Addf(fmt.Sprintf("hosts[%d]", i), "%v: give the gate a new CA with another tls.internal.name, "+
				"and clients its certificate, or bring one with tls.internal.ca_cert and ca_key", err)
		}
	}
	return l.Err()
}

// sign returns a certificate for the key and the names of csr, and above it
// what a client that trusts the root alone needs, as PEM.
func (a *authority) sign(csr *x509.CertificateRequest, lifetime time.Duration) ([]byte, error) {
	leaf, err := a.leaf(csr, lifetime)
	if err != nil {
		return nil, err
	}
	certs := []*x509.Certificate{leaf}
	for _, c := range append([]*x509.Certificate{a.cert}, a.chain...) {
		if !selfSigned(c) {
			certs = append(certs, c)
		}
	}
	return encodeCerts(certs), nil
}

func (a *authority) leaf(csr *x509.CertificateRequest, lifetime time.Duration) (*x509.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{Organization: []string{"regate"}}, // with an empty one the names would be a critical extension
		NotBefore:    now.Add(-backdate(lifetime)),
		NotAfter:     now.Add(lifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     csr.DNSNames,
		IPAddresses:  csr.IPAddresses,

		BasicConstraintsValid: true,
	}
	if template.NotAfter.After(a.cert.NotAfter) {
		template.NotAfter = a.cert.NotAfter
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, csr.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// permits says whether clients that trust the CA would take a certificate for
// host from it. It signs one and checks it as they do, so constraints and
// lifetimes, also those of a chain, are understood in one way.
func (a *authority) permits(host string) error {
	probe := &x509.CertificateRequest{PublicKey: a.cert.PublicKey}
	if ip := net.ParseIP(host); ip != nil {
		probe.IPAddresses = []net.IP{ip}
	} else {
		probe.DNSNames = []string{host}
	}
	leaf, err := a.leaf(probe, minLifetime)
	if err != nil {
		return err
	}
	_, err = leaf.Verify(a.verifyOptions())
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.CANotAuthorizedForThisName {
		return fmt.Errorf("%s is not among what the CA %q may sign for (%s)",
			host, a.cert.Subject.CommonName, strings.Join(a.constraints(), ", "))
	}
	return err
}

func (a *authority) verifyOptions() x509.VerifyOptions {
	o := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool()}
	o.Roots.AddCert(a.top())
	for _, c := range append([]*x509.Certificate{a.cert}, a.chain...) {
		o.Intermediates.AddCert(c)
	}
	return o
}

// constraints are the names that the CA and its chain permit, for people.
func (a *authority) constraints() []string {
	var names []string
	for _, c := range append([]*x509.Certificate{a.cert}, a.chain...) {
		names = append(names, c.PermittedDNSDomains...)
		for _, n := range c.PermittedIPRanges {
			names = append(names, n.String())
		}
	}
	return slices.DeleteFunc(names, func(n string) bool { return n == nowhere })
}

// backdate allows for clocks of clients that are behind.
func backdate(lifetime time.Duration) time.Duration {
	return min(5*time.Minute, lifetime/10)
}

// newSerial is a random number of 127 bits: positive and within the 20 bytes
// of RFC 5280 4.1.2.2.
func newSerial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	return n.SetBit(n, 126, 1), nil
}

func selfSigned(c *x509.Certificate) bool {
	return c.CheckSignatureFrom(c) == nil
}

func encodeCerts(certs []*x509.Certificate) []byte {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}
