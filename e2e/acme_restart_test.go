package e2e

import (
	"net/http"
	"syscall"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// TestACMERestart ends gates, politely or not, and starts them again: what they
// had is served at once, and nothing is ordered.
func TestACMERestart(t *testing.T) {
	t.Parallel()
	c := newCertified(t)
	p := c.withPebble(t, testbed.PebbleConfig{})
	c.configure(t, "gate.test, a.test", issuer(p.Directory, p.TLS))
	c.start(t)
	c.certificate(t, "a.test")
	first := c.serial(t, testbed.Host)
	for _, end := range []func(){
		func() { c.gate.Stop(t) },
		func() { c.kill(t) },
	} {
		end()
		c.start(t)
		if got := c.serial(t, testbed.Host); got != first {
			t.Errorf("after a restart the certificate is %s, before it was %s", got, first)
		}
		c.certificate(t, "a.test")
	}
	if got := p.Orders(); got != 2 {
		t.Errorf("%d orders for two hosts and three starts", got)
	}
}

func (c *certified) kill(t testing.TB) {
	t.Helper()
	if err := c.gate.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-c.gate.Done()
}

// TestACMEKilledInMidOrder kills a gate that has proved its host and asks for
// the certificate. The next one begins anew, with the same account.
func TestACMEKilledInMidOrder(t *testing.T) {
	t.Parallel()
	c := newCertified(t)
	p := c.withPebble(t, testbed.PebbleConfig{})
	f, asked := p.Front(t), make(chan struct{}, 100)
	f.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		if !testbed.IsFinalize(r) {
			return false
		}
		asked <- struct{}{}
		<-r.Context().Done()
		return true
	})
	c.configure(t, testbed.Host, issuer(f.Directory, p.TLS))
	c.gate.Launch(t)
	receive(t, asked, "the gate asks for the certificate")
	c.kill(t)
	f.Intercept(nil)
	c.gate.Launch(t)
	c.certificate(t, testbed.Host)
	if got := p.Accounts(); got != 1 {
		t.Errorf("%d accounts, want the one that the first process made", got)
	}
}
