package e2e

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/e2e/testbed"
)

// TestACMEHostsChangeUnderTransfer exchanges a host by a reload while a client
// reads a layer: the transfer does not notice, the new host gets its
// certificate, and the former one is no longer known.
func TestACMEHostsChangeUnderTransfer(t *testing.T) {
	t.Parallel()
	c := newCertified(t)
	p := c.withPebble(t, testbed.PebbleConfig{})
	ca := issuer(p.Directory, p.TLS)
	c.configure(t, "gate.test, old.test", ca)
	c.start(t)
	c.certificate(t, "old.test")
	kept := c.serial(t, testbed.Host)

	c.registry = testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Registry2, Addr: c.registry.Addr})
	content := noise(64 << 20)
	res := c.getBlob(t, "team/app", c.putBlob(t, "team/app", content))
	begin := make([]byte, 1<<20)
	if _, err := io.ReadFull(res.Body, begin); err != nil {
		t.Fatal(err)
	}

	c.reconfigure(t, "gate.test, new.test", ca)
	if got := c.certificate(t, "new.test").DNSNames; len(got) != 1 || got[0] != "new.test" {
		t.Errorf("the certificate served for new.test is for %v", got)
	}
	eventually(t, "old.test is unknown", func() bool {
		_, err := c.greet("old.test")
		return unrecognized(err)
	})
	if got := c.serial(t, testbed.Host); got != kept {
		t.Error("the host that stays has another certificate")
	}
	if got := p.Orders(); got != 3 {
		t.Errorf("%d orders, want one for each host", got)
	}
	rest, err := io.ReadAll(res.Body)
	if err != nil || digestOf(append(begin, rest...)) != digestOf(content) {
		t.Errorf("the blob broke off after %d of %d bytes: %v", len(begin)+len(rest), len(content), err)
	}
}

// unrecognized reports whether a client was told that the host is not one of
// the server's, or not yet (RFC 6066 3).
func unrecognized(err error) bool {
	return err != nil && strings.Contains(err.Error(), "tls: unrecognized name")
}

// TestACMEIssuerChanges names another CA in a reload: it is asked at once, and
// until it has signed the certificate of the former one is served.
func TestACMEIssuerChanges(t *testing.T) {
	t.Parallel()
	c := newCertified(t)
	former := c.withPebble(t, testbed.PebbleConfig{})
	oldRoot := c.gate.CA
	c.configure(t, testbed.Host, issuer(former.Directory, former.TLS))
	c.start(t)
	next := c.withPebble(t, testbed.PebbleConfig{})
	c.reconfigure(t, testbed.Host, issuer(next.Directory, next.TLS))
	within(t, testbed.Patience, "a certificate of the new CA", func() error {
		_, err := c.greet(testbed.Host)
		if err == nil {
			return nil
		}
		if _, old := c.greetTrusting(testbed.Host, oldRoot); old != nil {
			if _, err = c.greet(testbed.Host); err != nil { // it came in between
				t.Fatalf("neither of the new CA (%v) nor of the former one (%v)", err, old)
			}
		}
		return errors.New("of the former one")
	})
	if a, b := former.Orders(), next.Orders(); a != 1 || b != 1 {
		t.Errorf("%d and %d orders, want one at each CA", a, b)
	}
}

// TestACMEReloadEndsAWait has a CA that takes requests and answers none. Who
// names another CA need not wait until the gate has given the first one up.
func TestACMEReloadEndsAWait(t *testing.T) {
	t.Parallel()
	c := newCertified(t)
	p := c.withPebble(t, testbed.PebbleConfig{})
	f, asked := p.Front(t), make(chan struct{}, 100)
	f.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		asked <- struct{}{}
		<-r.Context().Done()
		return true
	})
	c.configure(t, testbed.Host, issuer(f.Directory, p.TLS))
	c.gate.Launch(t)
	receive(t, asked, "the gate asks the CA")
	c.reconfigure(t, testbed.Host, issuer(p.Directory, p.TLS))
	c.certificate(t, testbed.Host)
}

func receive(t testing.TB, from <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-from:
	case <-time.After(testbed.Patience):
		t.Fatalf("not within %v: %s", testbed.Patience, what)
	}
}

// TestACMEAccountIsForgotten starts the CA anew, without its accounts. The gate
// makes another one as soon as it needs it, and serves what it has.
func TestACMEAccountIsForgotten(t *testing.T) {
	t.Parallel()
	c := newCertified(t)
	p := c.withPebble(t, testbed.PebbleConfig{})
	ca := issuer(p.Directory, p.TLS)
	c.configure(t, testbed.Host, ca)
	c.start(t)
	kept := c.serial(t, testbed.Host)
	p.Stop(t)
	p.Launch(t)
	c.reconfigure(t, "gate.test, new.test", ca)
	former := c.gate.CA
	c.gate.CA = p.Root(t)
	c.certificate(t, "new.test")
	if cert, err := c.greetTrusting(testbed.Host, former); err != nil || cert.SerialNumber.String() != kept {
		t.Errorf("the host that was there has another certificate: %v", err)
	}
}
