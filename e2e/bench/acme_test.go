//go:build bench

package bench

import (
	"crypto/tls"
	"fmt"
	"testing"
	"time"

	"github.com/regate/regate/e2e/testbed"
)

// acme measures from the start of a process with an empty state to the first
// handshake with a certificate of pebble, which by itself lets a client wait a
// second before it says how a challenge went.
func (b *bench) acme(t *testing.T) {
	took := make([]time.Duration, b.rounds)
	for i := range took {
		took[i] = b.firstCertificate(t)
	}
	b.row("from start to the first certificate (pebble, whose Retry-After is 1 s)",
		fmt.Sprintf("%.2f s", median(took).Seconds()), "≤ 3 s", median(took) <= 3*time.Second)
}

func (b *bench) firstCertificate(t *testing.T) time.Duration {
	g := testbed.NewGate(t, nil)
	pebble := testbed.StartPebble(t, testbed.PebbleConfig{Gate: g, DNS: testbed.StartNames(t).Addr})
	root := &tls.Config{RootCAs: pebble.Root(t).Pool(), ServerName: testbed.Host}
	g.TLS = fmt.Sprintf("{hosts: [%s], mode: acme, acme: {email: ops@gate.test, ca: %q, trusted_roots: %s}}",
		testbed.Host, pebble.Directory, pebble.TLS.File)
	g.Configure(t, fmt.Sprintf(rules, b.sink.addr, hash(t, 5), hash(t, 5), hash(t, 5)))
	begun := time.Now()
	g.Launch(t)
	testbed.Await(t, func() error {
		conn, err := tls.Dial("tcp", g.Host, root)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	took := time.Since(begun)
	g.Stop(t)
	t.Logf("%v", took)
	return took
}
