package e2e

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// sharing has a gate keep its state in a Redis.
func sharing(t testing.TB, g *testbed.Gate, r *testbed.Redis) {
	t.Helper()
	text, err := os.ReadFile(g.File)
	if err != nil {
		t.Fatal(err)
	}
	alone := fmt.Sprintf("state: {path: %s}", g.StatePath())
	if !strings.Contains(string(text), alone) {
		t.Fatalf("no %q in the configuration", alone)
	}
	shared := strings.Replace(string(text), alone, "state: "+r.State(g.StatePath()), 1)
	if err := os.WriteFile(g.File, []byte(shared), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestACMEFleet has two gates ask for the same certificates. The CA reaches one
// of them alone, which answers for what the other has asked as well; there is
// one account, and one certificate for each host. When the state has lost
// everything, and the gates start again, nothing is asked anew.
func TestACMEFleet(t *testing.T) {
	t.Parallel()
	hosts := []string{testbed.Host, "one.gate.test", "two.gate.test"}
	reached := newCertified(t)
	p := reached.withPebble(t, testbed.PebbleConfig{})
	redis := testbed.StartRedis(t)
	hidden := *reached
	hidden.gate = testbed.NewGate(t, nil)
	hidden.gate.CA = reached.gate.CA
	both := []*certified{&hidden, reached}
	for _, c := range both {
		c.configure(t, strings.Join(hosts, ", "), issuer(p.Directory, p.TLS))
		sharing(t, c.gate, redis)
		c.gate.Launch(t)
	}
	before := sameCertificates(t, both, hosts)
	if p.Issued() != len(hosts) || p.Accounts() != 1 {
		t.Errorf("%d certificates and %d accounts, want %d and 1", p.Issued(), p.Accounts(), len(hosts))
	}

	_, port, _ := strings.Cut(redis.Addr, ":")
	testbed.Run(t, testbed.Command{Program: "redis-cli", Args: []string{"-p", port, "FLUSHALL"}, Dir: testbed.Dir(t)})
	for _, c := range both {
		c.gate.Stop(t)
		c.gate.Launch(t)
	}
	if after := sameCertificates(t, both, hosts); !slices.Equal(before, after) || p.Issued() != len(hosts) {
		t.Errorf("after the loss: certificates %v, want %v; %d were issued", after, before, p.Issued())
	}
}

// sameCertificates waits until all gates show a certificate for each host, and
// returns their serial numbers.
func sameCertificates(t testing.TB, gates []*certified, hosts []string) (serials []string) {
	t.Helper()
	for _, host := range hosts {
		serial := ""
		within(t, retried, "one certificate for "+host, func() error {
			shown := map[string]bool{}
			for _, c := range gates {
				cert, err := c.greet(host)
				if err != nil {
					return err
				}
				serial = cert.SerialNumber.String()
				shown[serial] = true
			}
			if len(shown) > 1 {
				return errors.New("the gates show different ones")
			}
			return nil
		})
		serials = append(serials, serial)
	}
	return serials
}
