package e2e

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/regate/regate/e2e/testbed"
)

// TestACMERenewal has certificates renewed, and a first one come by itself. All
// gates start together, since each of these tests is mostly a wait.
func TestACMERenewal(t *testing.T) {
	t.Parallel()
	type renewal struct {
		name  string
		start func(testing.TB) (check func(*testing.T))
		check func(*testing.T)
	}
	all := []renewal{
		{name: "pebble, under load", start: renewUnderLoad},
		{name: "step-ca, under load", start: renewFromStepCA},
		{name: "when the CA says so", start: renewWhenTold},
		{name: "a CA that is away in the renewal window", start: renewWithoutCA},
		{name: "a CA that is away until the certificate has ended", start: renewTooLate},
		{name: "a name that the DNS has later", start: comesLater},
	}
	for i := range all {
		all[i].check = all[i].start(t)
	}
	for _, r := range all {
		t.Run(r.name, r.check)
	}
}

func renewUnderLoad(t testing.TB) func(*testing.T) {
	c := newCertified(t)
	p := c.withPebble(t, testbed.PebbleConfig{Profiles: map[string]time.Duration{"default": time.Minute}, Reuse: 50})
	c.configure(t, testbed.Host, issuer(p.Directory, p.TLS))
	c.start(t)
	return c.renewsTwice(t)
}

func renewFromStepCA(t testing.TB) func(*testing.T) {
	c := newCertified(t)
	ca := testbed.StartStepCA(t, testbed.StepCAConfig{Gate: c.gate, DNS: c.names.Addr, Lifetime: time.Minute})
	c.gate.CA = ca.Root
	c.configure(t, testbed.Host, issuer(ca.Directory, ca.Root))
	c.start(t)
	return c.renewsTwice(t)
}

// renewsTwice: no request fails while the certificate is exchanged, and all
// that were ever served were valid.
func (c *certified) renewsTwice(t testing.TB) func(*testing.T) {
	load := c.startLoad(t)
	first := c.serial(t, testbed.Host)
	return func(t *testing.T) {
		seen := map[string]bool{first: true}
		within(t, retried, "a third certificate", func() error {
			seen[c.serial(t, testbed.Host)] = true
			if len(seen) < 3 {
				return fmt.Errorf("%d so far", len(seen))
			}
			return nil
		})
		load.end(t)
	}
}

// A told CA says when to renew (RFC 9773): one certificate at once, and all
// later ones in a month.
type told struct {
	asked atomic.Int32
	down  atomic.Bool // as soon as it has been asked
}

func (a *told) hook(breakAfter bool) testbed.Hook {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if a.down.Load() {
			panic(http.ErrAbortHandler)
		}
		if !testbed.IsRenewalInfo(r) {
			return false
		}
		at := time.Now().Add(-time.Hour)
		if a.asked.Add(1) > 1 {
			at = time.Now().Add(30 * 24 * time.Hour)
		}
		a.down.Store(breakAfter)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After", "21600")
		fmt.Fprintf(w, `{"suggestedWindow": {"start": %q, "end": %q}}`,
			at.Format(time.RFC3339), at.Add(time.Minute).Format(time.RFC3339))
		return true
	}
}

// renewWhenTold has a certificate that lives for three months and is to be
// exchanged today. The CA must not be asked more often than it wants.
func renewWhenTold(t testing.TB) func(*testing.T) {
	c := newCertified(t)
	p := c.withPebble(t, testbed.PebbleConfig{})
	f, ca := p.Front(t), &told{}
	f.Intercept(ca.hook(false))
	c.configure(t, testbed.Host, issuer(f.Directory, p.TLS))
	c.start(t)
	first := c.serial(t, testbed.Host)
	return func(t *testing.T) {
		within(t, retried, "another certificate", func() error { return c.changed(t, first) })
		if orders, replaced := p.Orders(), p.Replaced(); orders != 2 || replaced != 1 {
			t.Errorf("%d orders, %d of which name what they replace; want 2 and 1", orders, replaced)
		}
		if got := ca.asked.Load(); got > 2 {
			t.Errorf("the CA was asked %d times when to renew two certificates", got)
		}
	}
}

func (c *certified) changed(t testing.TB, from string) error {
	if c.serial(t, testbed.Host) == from {
		return errors.New("still the first one")
	}
	return nil
}

// renewWithoutCA: what is there is served on, it is said why there is no newer
// one, and the CA is asked again when it is back.
func renewWithoutCA(t testing.TB) func(*testing.T) {
	c := newCertified(t)
	p := c.withPebble(t, testbed.PebbleConfig{})
	f, ca := p.Front(t), &told{}
	f.Intercept(ca.hook(true))
	c.configure(t, testbed.Host, issuer(f.Directory, p.TLS))
	c.start(t)
	load, first := c.startLoad(t), c.serial(t, testbed.Host)
	return func(t *testing.T) {
		within(t, testbed.Patience, "the renewal fails", func() error { return c.complains(testbed.Host, "warn", "ca_down") })
		c.fails(t, `regate_certificate_failing{host="gate.test",reason="ca_down"} 1`, true)
		ca.down.Store(false)
		f.Intercept(nil)
		within(t, retried, "another certificate", func() error { return c.changed(t, first) })
		c.fails(t, "regate_certificate_failing{", false)
		load.end(t)
	}
}

// fails looks whether the gauge of renewals that do not work has a line.
func (c *certified) fails(t testing.TB, line string, want bool) {
	t.Helper()
	if got := strings.Contains(read(t, c.gate.Admin+"/metrics", "", 200), line); got != want {
		t.Errorf("/metrics has %s: %v, want %v", line, got, want)
	}
}

// renewTooLate ends the process of the CA until the certificate is no longer
// valid. It is served all the same: a client that looks gets a better error.
func renewTooLate(t testing.TB) func(*testing.T) {
	c := newCertified(t)
	ca := testbed.StartStepCA(t, testbed.StepCAConfig{Gate: c.gate, DNS: c.names.Addr, Lifetime: 30 * time.Second})
	c.gate.CA = ca.Root
	c.configure(t, testbed.Host, issuer(ca.Directory, ca.Root))
	c.start(t)
	ca.Stop(t)
	return func(t *testing.T) {
		within(t, retried, "the certificate has ended, and is served", func() error {
			conn, err := tls.Dial("tcp", c.gate.Host, &tls.Config{ServerName: testbed.Host, InsecureSkipVerify: true})
			if err != nil {
				t.Fatalf("an old certificate is better than none: %v", err)
			}
			defer conn.Close()
			if end := conn.ConnectionState().PeerCertificates[0].NotAfter; time.Now().Before(end) {
				return fmt.Errorf("it ends at %v", end)
			}
			return nil
		})
		if _, err := c.greet(testbed.Host); err == nil || !strings.Contains(err.Error(), "expired") {
			t.Errorf("a client that looks: %v, want an error about a certificate that has expired", err)
		}
		ca.Launch(t)
		within(t, retried, "a new certificate", func() error {
			_, err := c.greet(testbed.Host)
			return err
		})
	}
}

// comesLater: whoever mends what kept the host from a certificate need do
// nothing at the gate, and it complains no more.
func comesLater(t testing.TB) func(*testing.T) {
	c := newCertified(t)
	dnsFails(t, c)
	c.gate.Launch(t)
	within(t, testbed.Patience, "the reason", func() error { return c.pending(t, "dns") })
	c.names.Forget(t, testbed.Host)
	return func(t *testing.T) {
		within(t, retried, "a certificate", func() error {
			_, err := c.greet(testbed.Host)
			return err
		})
		if err := c.pending(t, "dns"); err == nil {
			t.Error("the gauge has the host still")
		}
		if ready := read(t, c.gate.Admin+"/readyz?verbose", "", 200); strings.Contains(ready, "dns") {
			t.Errorf("the operator reads of it still:\n%s", ready)
		}
		read(t, c.gate.Plain+"/", "text/html", http.StatusPermanentRedirect)
	}
}
