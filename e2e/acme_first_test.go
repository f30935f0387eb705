package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/e2e/testbed"
)

// TestACMEFirstCertificate has gates get their first certificate in each way
// that there is, with nothing prepared but the configuration.
func TestACMEFirstCertificate(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T){
		"tls-alpn-01 alone":             firstByALPN,
		"http-01 alone":                 firstByHTTP,
		"dns-01 by rfc2136":             firstByRFC2136,
		"dns-01 in another zone":        firstByDelegate,
		"dns-01 by exec":                firstByExec,
		"an address, short-lived":       firstForAddress,
		"an account bound to another":   firstWithEAB,
		"a CA that refuses good nonces": firstWithBadNonces,
		"a first CA that refuses":       firstFromFallback,
		"a first CA that is not there":  firstFromFallbackOfNobody,
		"an account key of one's own":   firstWithAccountKey,
		"step-ca":                       firstFromStepCA,
		"many hosts at once":            firstOfMany,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

func firstByALPN(t *testing.T) {
	c := newCertified(t)
	c.gate.Plain = ""
	p := c.withPebble(t, testbed.PebbleConfig{})
	c.configure(t, testbed.Host, issuer(p.Directory, p.TLS))
	c.start(t)
	if strings.Contains(p.Log(), "validate w/ HTTP") {
		t.Error("pebble was asked to look at port 80, where nobody listens")
	}
	if got := p.Orders(); got != 1 {
		t.Errorf("%d orders for one certificate", got)
	}
}

func firstByHTTP(t *testing.T) {
	c := newCertified(t)
	p := c.withPebble(t, testbed.PebbleConfig{})
	c.configure(t, testbed.Host, issuer(p.Directory, p.TLS), "challenges: [http-01]")
	c.start(t)
	if !strings.Contains(p.Log(), "validate w/ HTTP") {
		t.Error("pebble was not asked to look at port 80")
	}
	if _, err := c.greet(testbed.Host, "acme-tls/1"); err == nil {
		t.Error("the gate speaks acme-tls/1, which is not among its challenges")
	}
}

// firstForAddress names no host in the handshake, as clients do that reach the
// gate by its address.
func firstForAddress(t *testing.T) {
	c := newCertified(t)
	p := c.withPebble(t, testbed.PebbleConfig{Profiles: map[string]time.Duration{
		"default": 90 * 24 * time.Hour, "shortlived": 160 * time.Hour,
	}})
	c.configure(t, testbed.Address, issuer(p.Directory, p.TLS), "profile: shortlived")
	c.gate.Launch(t)
	cert := c.certificate(t, testbed.Address)
	if len(cert.IPAddresses) != 1 || cert.IPAddresses[0].String() != testbed.Address {
		t.Errorf("the certificate is for %v, want %s", cert.IPAddresses, testbed.Address)
	}
	if got := cert.NotAfter.Sub(cert.NotBefore).Round(time.Hour); got != 160*time.Hour {
		t.Errorf("the certificate lives for %v, want the 160h of the profile", got)
	}
}

func firstWithEAB(t *testing.T) {
	c := newCertified(t)
	p := c.withPebble(t, testbed.PebbleConfig{EAB: true})
	key := filepath.Join(testbed.Dir(t), "hmac")
	if err := os.WriteFile(key, []byte(testbed.EABHMACKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.configure(t, testbed.Host, issuer(p.Directory, p.TLS),
		fmt.Sprintf("eab: {key_id: %s, hmac_key_file: %s}", testbed.EABKeyID, key))
	c.start(t)
	if !strings.Contains(p.Log(), fmt.Sprintf("Binding with CA using kid %q", testbed.EABKeyID)) {
		t.Error("pebble saw no binding of the account")
	}
}

func firstWithBadNonces(t *testing.T) {
	c := newCertified(t)
	p := c.withPebble(t, testbed.PebbleConfig{Nonces: 30})
	c.configure(t, testbed.Host, issuer(p.Directory, p.TLS))
	c.gate.Launch(t)
	within(t, retried, "a certificate", func() error {
		_, err := c.greet(testbed.Host)
		return err
	})
}

func firstFromFallback(t *testing.T) {
	c := newCertified(t)
	first := c.withPebble(t, testbed.PebbleConfig{Blocked: []string{testbed.Host}})
	second := c.withPebble(t, testbed.PebbleConfig{})
	c.configure(t, testbed.Host, issuer(first.Directory, first.TLS),
		fmt.Sprintf("fallback: [{%s}]", issuer(second.Directory, second.TLS)))
	c.start(t)
	if first.Accounts() == 0 {
		t.Error("the first CA was not asked")
	}
	if first.Issued() != 0 || second.Issued() != 1 {
		t.Errorf("%d and %d certificates, want one of the second CA", first.Issued(), second.Issued())
	}
}

func firstFromFallbackOfNobody(t *testing.T) {
	c := newCertified(t)
	p := c.withPebble(t, testbed.PebbleConfig{})
	c.configure(t, testbed.Host, issuer("https://"+testbed.LocalAddr()+"/dir", p.TLS),
		fmt.Sprintf("fallback: [{%s}]", issuer(p.Directory, p.TLS)))
	c.start(t)
}

// firstWithAccountKey loses the state, and has the same account.
func firstWithAccountKey(t *testing.T) {
	c := newCertified(t)
	p := c.withPebble(t, testbed.PebbleConfig{})
	file := filepath.Join(testbed.Dir(t), "account.pem")
	if err := os.WriteFile(file, accountKey(t), 0o600); err != nil {
		t.Fatal(err)
	}
	c.configure(t, testbed.Host, issuer(p.Directory, p.TLS), "account_key_file: "+file)
	for range 2 {
		c.start(t)
		c.gate.Stop(t)
		if err := os.RemoveAll(c.gate.StatePath()); err != nil {
			t.Fatal(err)
		}
	}
	if accounts, orders := p.Accounts(), p.Orders(); accounts != 1 || orders != 2 {
		t.Errorf("%d accounts and %d orders, want one account with two", accounts, orders)
	}
}

func accountKey(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func firstFromStepCA(t *testing.T) {
	c := newCertified(t)
	ca := testbed.StartStepCA(t, testbed.StepCAConfig{Gate: c.gate, DNS: c.names.Addr, Lifetime: 24 * time.Hour})
	c.gate.CA = ca.Root
	c.configure(t, testbed.Host, issuer(ca.Directory, ca.Root))
	c.start(t)
	if got := ca.Orders(); got != 1 {
		t.Errorf("%d orders for one certificate", got)
	}
}

func firstOfMany(t *testing.T) {
	c := newCertified(t)
	p := c.withPebble(t, testbed.PebbleConfig{})
	hosts := []string{testbed.Host, "a.test", "b.test", "c.d.test", "xn--bcher-kva.test"}
	c.configure(t, strings.Join(hosts, ", "), issuer(p.Directory, p.TLS))
	c.gate.Launch(t)
	for _, host := range hosts {
		if got := c.certificate(t, host).DNSNames; len(got) != 1 || got[0] != host {
			t.Errorf("the certificate served for %s is for %v", host, got)
		}
	}
	if got := p.Orders(); got != len(hosts) {
		t.Errorf("%d orders for %d hosts", got, len(hosts))
	}
}
