package acmestub

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// A signer is the CA behind the server.
type signer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newSigner(t testing.TB) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "stub root"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(10 * 365 * 24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{cert, key}
}

func serial() *big.Int {
	n, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	return n
}

func (c *signer) sign(csrDER []byte, lifetime time.Duration) ([]byte, error) {
	csr, err := x509.ParseCertificateRequest(csrDER)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(), NotBefore: time.Now().Add(-time.Second), NotAfter: time.Now().Add(lifetime),
		DNSNames: csr.DNSNames, IPAddresses: csr.IPAddresses, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, c.cert, csr.PublicKey, c.key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// look sees whether the host of o leads to somebody who knows the account.
func (s *Server) look(ctx context.Context, o *order, kind string) (Problem, bool) {
	s.mu.Lock()
	https, plain := s.https, s.plain
	s.mu.Unlock()
	host, keyAuth := o.Identifiers[0].Value, o.token+"."+o.account.thumbprint
	var err error
	switch {
	case kind == "tls-alpn-01" && https != "":
		err = lookALPN(ctx, https, host, keyAuth)
	case kind == "http-01" && plain != "":
		err = lookHTTP(ctx, plain, host, o.token, keyAuth)
	}
	if err != nil {
		return Problem{Status: 400, Type: "connection", Detail: err.Error()}, true
	}
	return Problem{}, false
}

// acmeIdentifier is RFC 8737 6.1.
var acmeIdentifier = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31}

func lookALPN(ctx context.Context, addr, host, keyAuth string) error {
	d := tls.Dialer{Config: &tls.Config{ServerName: sni(host), NextProtos: []string{"acme-tls/1"}, InsecureSkipVerify: true}}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	state := conn.(*tls.Conn).ConnectionState()
	sum := sha256.Sum256([]byte(keyAuth))
	want, _ := asn1.Marshal(sum[:])
	right := slices.ContainsFunc(state.PeerCertificates[0].Extensions, func(e pkix.Extension) bool {
		return e.Critical && e.Id.Equal(acmeIdentifier) && bytes.Equal(e.Value, want)
	})
	if state.NegotiatedProtocol != "acme-tls/1" || !right {
		return fmt.Errorf("%s answered with another protocol or certificate", host)
	}
	return nil
}

// sni is the name that stands for host in a handshake (RFC 8738 6).
func sni(host string) string {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	var labels []string
	if a.Is4() {
		labels = strings.Split(host, ".")
	} else {
		labels = strings.Split(fmt.Sprintf("%x", a.AsSlice()), "")
	}
	slices.Reverse(labels)
	return strings.Join(labels, ".") + map[bool]string{true: ".in-addr.arpa", false: ".ip6.arpa"}[a.Is4()]
}

func lookHTTP(ctx context.Context, addr, host, token, keyAuth string) error {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	c := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/.well-known/acme-challenge/"+token, nil)
	if err != nil {
		return err
	}
	res, err := c.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); string(body) != keyAuth {
		return fmt.Errorf("%s answered %d %q", host, res.StatusCode, body)
	}
	return nil
}
