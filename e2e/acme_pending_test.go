package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// TestACMEHostWithoutCertificate looks at a gate that has just been started,
// with a CA that does not answer: it is ready, since a balancer must send it
// the CA's challenges, and says to clients that it does not know the host yet.
func TestACMEHostWithoutCertificate(t *testing.T) {
	t.Parallel()
	c := newCertified(t)
	p := c.withPebble(t, testbed.PebbleConfig{})
	f := p.Front(t)
	f.Down()
	c.configure(t, testbed.Host, issuer(f.Directory, p.TLS))
	c.gate.Launch(t)
	for _, host := range []string{testbed.Host, "foreign.test"} {
		if _, err := c.greet(host, "h2", "http/1.1"); !unrecognized(err) {
			t.Errorf("a hello for %s: %v, want unrecognized_name", host, err)
		}
	}
	c.challengesNobodyAsked(t)
}

// TestACMEStrangersChallenges sends what a CA would, to a gate that has its
// certificate and asks for none.
func TestACMEStrangersChallenges(t *testing.T) {
	t.Parallel()
	c := newCertified(t)
	p := c.withPebble(t, testbed.PebbleConfig{})
	c.configure(t, testbed.Host, issuer(p.Directory, p.TLS))
	c.start(t)
	c.challengesNobodyAsked(t)
	if _, err := c.greet(testbed.Host, "h2"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// challengesNobodyAsked looks for answers to challenges where there are none, at
// both ports.
func (c *certified) challengesNobodyAsked(t testing.TB) {
	t.Helper()
	for _, host := range []string{testbed.Host, "foreign.test"} {
		if _, err := c.greet(host, "acme-tls/1"); err == nil || !strings.Contains(err.Error(), "no application protocol") {
			t.Errorf("a challenge for %s: %v, want no_application_protocol", host, err)
		}
	}
	for _, path := range []string{"", "a", "..%2f..", strings.Repeat("a", 4096), "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"} {
		for _, host := range []string{testbed.Host, "foreign.test"} {
			req, err := http.NewRequest("GET", c.gate.Plain+"/.well-known/acme-challenge/"+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = host
			res, err := c.gate.CA.HTTP().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != http.StatusNotFound {
				t.Errorf("token %.20q of %s: %s, want 404", path, host, res.Status)
			}
		}
	}
}
