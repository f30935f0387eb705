package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// TestACMEReasons has gates fail in each way that a real CA brings about, and
// looks at all places where people look.
func TestACMEReasons(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, reason string
		// breaks prepares a gate that gets no certificate, and is not started yet.
		breaks func(testing.TB, *certified)
	}{
		{"a name server that fails", "dns", dnsFails},
		{"a name that is not there", "dns", dnsKnowsNoName},
		{"a key that may not change the zone", "dns", dnsRefuses},
		{"an address where nobody listens", "unreachable", nobodyListens},
		{"port 80 where nobody listens", "unreachable", nobodyListensPlain},
		{"the address of another server", "refused", anotherListens},
		{"a name that the CA does not want", "refused", nameIsBlocked},
		{"a profile that is none", "refused", profileIsUnknown},
		{"no account at the CA's website", "eab", bindingIsMissing},
		{"a wrong key from the CA's website", "eab", bindingIsWrong},
		{"a CA that is away", "ca_down", caIsAway},
		{"a CA out of order", "ca_down", caIsBroken},
		{"a CA of unknown authority", "ca_down", caIsUntrusted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCertified(t)
			tt.breaks(t, c)
			c.gate.Launch(t)
			within(t, testbed.Patience, "the reason in the log", func() error { return c.complains(testbed.Host, "error", tt.reason) })
			c.tells(t, tt.reason)
			if _, err := c.greet(testbed.Host); !unrecognized(err) {
				t.Errorf("a hello: %v, want unrecognized_name", err)
			}
		})
	}
}

func dnsFails(t testing.TB, c *certified) {
	p := c.withPebble(t, testbed.PebbleConfig{})
	c.names.Break(t, testbed.Host)
	c.configure(t, testbed.Host, issuer(p.Directory, p.TLS))
}

// dnsKnowsNoName asks a server for a name that is not in its zone.
func dnsKnowsNoName(t testing.TB, c *certified) {
	p := c.withPebble(t, testbed.PebbleConfig{DNS: testbed.StartBind(t).Addr})
	c.configure(t, testbed.Host, issuer(p.Directory, p.TLS))
}

func dnsRefuses(t testing.TB, c *certified) {
	b := testbed.StartBind(t)
	p := c.withPebble(t, testbed.PebbleConfig{DNS: b.Addr})
	key := testbed.StartBind(t).KeyFile // of another server
	c.configure(t, testbed.Host, issuer(p.Directory, p.TLS), fmt.Sprintf(
		"dns: {rfc2136: {server: %q, key_name: %s, key_file: %s}, resolvers: [%[1]q]}", b.Addr, b.KeyName, key))
}

func nobodyListens(t testing.TB, c *certified) {
	p := c.withPebble(t, testbed.PebbleConfig{})
	c.names.Move(t, testbed.Host, "127.0.0.9")
	c.configure(t, testbed.Host, issuer(p.Directory, p.TLS))
}

func nobodyListensPlain(t testing.TB, c *certified) {
	p := c.withPebble(t, testbed.PebbleConfig{})
	c.names.Move(t, testbed.Host, "127.0.0.9")
	c.configure(t, testbed.Host, issuer(p.Directory, p.TLS), "challenges: [http-01]")
}

// anotherListens has an old server at the address that the DNS still has.
func anotherListens(t testing.TB, c *certified) {
	p := c.withPebble(t, testbed.PebbleConfig{})
	testbed.StartStranger(t, "127.0.0.8", c.gate)
	c.names.Move(t, testbed.Host, "127.0.0.8")
	// Of port 443 pebble says that it cannot connect, whatever the matter is.
	c.configure(t, testbed.Host, issuer(p.Directory, p.TLS), "challenges: [http-01]")
}

func nameIsBlocked(t testing.TB, c *certified) {
	p := c.withPebble(t, testbed.PebbleConfig{Blocked: []string{testbed.Host}})
	c.configure(t, testbed.Host, issuer(p.Directory, p.TLS))
}

func profileIsUnknown(t testing.TB, c *certified) {
	p := c.withPebble(t, testbed.PebbleConfig{})
	c.configure(t, testbed.Host, issuer(p.Directory, p.TLS), "profile: tlsclassic")
}

func bindingIsMissing(t testing.TB, c *certified) {
	p := c.withPebble(t, testbed.PebbleConfig{EAB: true})
	c.configure(t, testbed.Host, issuer(p.Directory, p.TLS))
}

func bindingIsWrong(t testing.TB, c *certified) {
	p := c.withPebble(t, testbed.PebbleConfig{EAB: true})
	key := filepath.Join(testbed.Dir(t), "hmac")
	if err := os.WriteFile(key, []byte(strings.Repeat("A", 43)), 0o600); err != nil {
		t.Fatal(err)
	}
	c.configure(t, testbed.Host, issuer(p.Directory, p.TLS),
		fmt.Sprintf("eab: {key_id: %s, hmac_key_file: %s}", testbed.EABKeyID, key))
}

func caIsAway(t testing.TB, c *certified) {
	p := c.withPebble(t, testbed.PebbleConfig{})
	f := p.Front(t)
	f.Down()
	c.configure(t, testbed.Host, issuer(f.Directory, p.TLS))
}

func caIsBroken(t testing.TB, c *certified) {
	p := c.withPebble(t, testbed.PebbleConfig{})
	f := p.Front(t)
	f.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "<html>Service Unavailable</html>", http.StatusServiceUnavailable)
		return true
	})
	c.configure(t, testbed.Host, issuer(f.Directory, p.TLS))
}

func caIsUntrusted(t testing.TB, c *certified) {
	p := c.withPebble(t, testbed.PebbleConfig{})
	c.configure(t, testbed.Host, issuer(p.Directory, testbed.NewCA(t)))
}

// complains reports an error unless the log has a line that says why a host has
// no certificate, or no newer one, and what to do.
func (c *certified) complains(host, level, reason string) error {
	for line := range strings.Lines(c.gate.Log()) {
		var l struct{ Level, Host, Reason, Error, Advice string }
		if json.Unmarshal([]byte(line), &l) == nil && l.Host == host && l.Reason == reason && l.Level == level {
			if l.Error == "" || l.Advice == "" {
				return fmt.Errorf("no error or no advice in %s", line)
			}
			return nil
		}
	}
	return fmt.Errorf("no line of level %s about %s with reason %s", level, host, reason)
}

// tells looks at the gauge, the list for the operator and the page for anybody.
func (c *certified) tells(t testing.TB, reason string) {
	t.Helper()
	if err := c.pending(t, reason); err != nil {
		t.Error(err)
	}
	ready := read(t, c.gate.Admin+"/readyz?verbose", "", 200)
	if !strings.Contains(ready, testbed.Host) || !strings.Contains(ready, reason) {
		t.Errorf("/readyz?verbose names not both %s and %s:\n%s", testbed.Host, reason, ready)
	}
	for _, accept := range []string{"text/html", "*/*"} {
		page := read(t, c.gate.Plain+"/", accept, 503)
		if !strings.Contains(page, testbed.Host) {
			t.Errorf("the page for %s does not name the host:\n%s", accept, page)
		}
	}
}

// pending reports an error unless the gauge says that one host has no
// certificate, for that reason.
func (c *certified) pending(t testing.TB, reason string) error {
	t.Helper()
	want := fmt.Sprintf("regate_certificates_pending{reason=%q} 1", reason)
	if !strings.Contains(read(t, c.gate.Admin+"/metrics", "", 200), want) {
		return fmt.Errorf("/metrics has no %s", want)
	}
	return nil
}

// read returns what a GET of url brings.
func read(t testing.TB, url, accept string, status int) string {
	t.Helper()
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status {
		t.Errorf("GET %s: %s, %v, want %d", url, res.Status, err, status)
	}
	return string(text)
}
