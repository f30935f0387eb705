package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/regate/regate/e2e/testbed"
)

// retried bounds the wait for what is tried again a minute after it did not
// work.
const retried = 100 * time.Second

// A certified is a gate whose certificates come from an ACME CA, in front of a
// registry that runs only if the test starts it.
type certified struct {
	site
	names *testbed.Names
	rest  string // of the configuration
}

// newCertified reserves the addresses of a gate and starts the DNS in which
// CAs find it.
func newCertified(t testing.TB) *certified {
	t.Helper()
	c := &certified{names: testbed.StartNames(t)}
	c.gate = testbed.NewGate(t, nil)
	addr := testbed.LocalAddr()
	c.registry = &testbed.Registry{Addr: addr, URL: "http://" + addr}
	c.rest = fmt.Sprintf("registries: {main: {upstreams: [%q], auth: none}}%s", c.registry.URL, rules(t))
	return c
}

// withPebble starts a pebble that looks at the gate, which trusts it.
func (c *certified) withPebble(t testing.TB, cfg testbed.PebbleConfig) *testbed.Pebble {
	t.Helper()
	cfg.Gate = c.gate
	if cfg.DNS == "" {
		cfg.DNS = c.names.Addr
	}
	p := testbed.StartPebble(t, cfg)
	c.gate.CA = p.Root(t)
	return p
}

// configure writes a configuration with the hosts, and the keys of tls.acme.
func (c *certified) configure(t testing.TB, hosts string, keys ...string) {
	t.Helper()
	c.gate.TLS = fmt.Sprintf("{hosts: [%s], mode: acme, acme: {email: ops@gate.test, %s}}", hosts, strings.Join(keys, ", "))
	c.gate.Configure(t, c.rest)
}

// reconfigure is configure for a gate that runs.
func (c *certified) reconfigure(t testing.TB, hosts string, keys ...string) {
	t.Helper()
	c.configure(t, hosts, keys...)
	if err := c.gate.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// start runs the gate and waits for its first certificate.
func (c *certified) start(t testing.TB) {
	t.Helper()
	c.gate.Launch(t)
	c.certificate(t, testbed.Host)
}

// issuer are the keys for the CA at a directory, whose https is below a root.
func issuer(directory string, roots *testbed.CA) string {
	return fmt.Sprintf("ca: %q, trusted_roots: %s", directory, roots.File)
}

// greet makes one handshake for a host.
func (c *certified) greet(host string, protos ...string) (*x509.Certificate, error) {
	return c.greetTrusting(host, c.gate.CA, protos...)
}

func (c *certified) greetTrusting(host string, ca *testbed.CA, protos ...string) (*x509.Certificate, error) {
	conn, err := tls.Dial("tcp", c.gate.Host, &tls.Config{ServerName: host, RootCAs: ca.Pool(), NextProtos: protos})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0], nil
}

// certificate waits until a host has one.
func (c *certified) certificate(t testing.TB, host string) (cert *x509.Certificate) {
	t.Helper()
	within(t, testbed.Patience, "a certificate for "+host, func() (err error) {
		cert, err = c.greet(host)
		return err
	})
	return cert
}

// serial is the number of the certificate that is served for a host now.
func (c *certified) serial(t testing.TB, host string) string {
	t.Helper()
	cert, err := c.greet(host)
	if err != nil {
		t.Fatal(err)
	}
	return cert.SerialNumber.String()
}

// within polls until try reports nil.
func within(t testing.TB, bound time.Duration, what string, try func() error) {
	t.Helper()
	for deadline := time.Now().Add(bound); ; time.Sleep(100 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s: %v", bound, what, err)
		}
	}
}
