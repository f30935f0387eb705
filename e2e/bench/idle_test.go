//go:build bench

package bench

import (
	"fmt"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// crowd is how many connections wait. It needs 20,000 file descriptors (ulimit
// -n), of which the gate keeps some for registries.
const crowd = 10_000

// idleCrowd is what each of many connections takes that have been used once and
// now wait, in fresh servers, one after the other.
func (b *bench) idleCrowd(t *testing.T) {
	gate := b.startGateWith(t, fmt.Sprintf("limits: {connections: %d, per_network: %[1]d}", crowd+1000))
	p := peer{cert: gate.cert, key: gate.key, upstream: b.sink.addr}
	f := &bench{authority: b.authority, tls: b.tls, sink: b.sink, gate: gate.server}
	f.bearer = f.login(t, gate.server, account)
	var each []string
	for _, s := range []*server{gate.server, p.haproxyFor(t, crowd+100), p.caddy(t)} {
		each = append(each, fmt.Sprintf("%s %.1f KiB", s.name, f.waiting(t, s)))
	}
	b.row(fmt.Sprintf("memory for each of %d idle TLS connections", crowd), strings.Join(each, ", "), "–", true)
}

// waiting opens the connections, and returns how many KiB the server has taken
// for each.
func (b *bench) waiting(t *testing.T, s *server) float64 {
	const clients = 4
	request := b.header("GET", repository+"manifests/latest", s, "")
	before := s.memory(t, "VmRSS")
	conns := make([][]*conn, clients)
	together(clients, func(i int) {
		for range crowd / clients {
			c := b.dial(t, s)
			c.ask(t, request, 200)
			c.buf, c.r = nil, nil // which would be larger than what is measured
			conns[i] = append(conns[i], c)
		}
	})
	grown := s.memory(t, "VmRSS") - before
	for _, some := range conns {
		for _, c := range some {
			_ = c.Close()
		}
	}
	return float64(grown) / crowd / 1024
}

// caddy is Debian's, with its defaults.
func (p peer) caddy(t *testing.T) *server {
	dir, port := testbed.Dir(t), testbed.Port()
	config := fmt.Sprintf(`
{
	admin off
	auto_https disable_redirects
	skip_install_trust
}
https://%s:%d {
	tls %s %s
	log {
		output file %s/access.log
	}
	reverse_proxy %s
}
`, testbed.Host, port, p.cert, p.key, dir, p.upstream)
	file := save(t, dir, "Caddyfile", config)
	process := testbed.Start(t, testbed.Command{Program: "caddy", Args: []string{"run", "--config", file, "--adapter", "caddyfile"}, Dir: dir})
	return started(t, &server{name: "Caddy", host: host(port), pid: process.Pid()}, process)
}

// startGateWith is startGate with more in the section listen.
func (b *bench) startGateWith(t *testing.T, listen string) gate {
	return b.startGateAs(t, func(config string) string { return strings.Replace(config, "grace: 0s", "grace: 0s, "+listen, 1) })
}
