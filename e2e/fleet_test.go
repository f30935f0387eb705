package e2e

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// A fleet is some gates behind a balancer, whose site is what clients see.
type fleet struct {
	*site      // its gate is the address of the balancer, and nothing that runs
	gates      []*testbed.Gate
	registries []*testbed.Registry
	redis      *testbed.Redis
	*testbed.Balancer

	cert, key, pem string // of the gates, or of the balancer; pem has both
}

// fleetConfig is that of each gate.
const fleetConfig = `
listen:
  https: %q
  http: %q
  admin: %q
  public_url: %q
  trusted_proxies: ["127.0.0.1"]
  proxy_protocol: %v
  grace: %s
tls: %s
state: %s
log: {level: debug, format: json}
registries: {main: {upstreams: [%s]}}
%s`

// A fleetPlan is what a test wants of a fleet.
type fleetPlan struct {
	gates      int
	registries []*testbed.Registry
	proxied    bool // HAProxy ends TLS, and else passes it through
	rules      string
	grace      string // "" is none
}

// passing is HAProxy that passes TLS through. It asks the gates whether they
// are ready, and tells them with each connection from whom it is.
const passing = `
	mode tcp
	option redispatch 1
frontend registry
	bind %s
	default_backend gates
backend gates
	balance roundrobin
	option httpchk GET /readyz
	default-server check inter 250ms fall 1 rise 1 send-proxy-v2
`

// ending is HAProxy that ends TLS, and tells with each request from whom it is.
const ending = `
	mode http
	option forwardfor
	option redispatch 1
frontend registry
	bind %s ssl crt %s alpn h2,http/1.1
	http-request del-header X-Forwarded-For
	default_backend gates
backend gates
	balance roundrobin
	option httpchk GET /readyz
	default-server check inter 250ms fall 1 rise 1
`

// start starts the fleet and waits until the balancer has all gates.
func (p fleetPlan) start(t testing.TB) *fleet {
	t.Helper()
	f := p.startGates(t)
	config := fmt.Sprintf(passing, f.gate.Host)
	if p.proxied {
		config = fmt.Sprintf(ending, f.gate.Host, f.pem)
	}
	for i, g := range f.gates {
		config += fmt.Sprintf("\tserver gate%d %s port %s\n", i, f.behind(i), g.AdminPort())
	}
	f.Balancer = testbed.StartBalancer(t, config, f.gate.Host)
	for i := range f.gates {
		f.AwaitServer(t, fmt.Sprint("gate", i), "UP")
	}
	return f
}

// startGates starts the fleet without a balancer.
func (p fleetPlan) startGates(t testing.TB) *fleet {
	t.Helper()
	f := &fleet{site: &site{gate: testbed.NewGate(t, testbed.NewCA(t)), registry: p.registries[0]}, redis: testbed.StartRedis(t)}
	f.registries = p.registries
	f.cert, f.key = f.gate.CA.Issue(t, testbed.Host)
	f.pem = bothIn(t, f.cert, f.key)
	for range p.gates {
		g := p.prepare(t, f)
		f.gates = append(f.gates, g)
		g.Launch(t)
	}
	return f
}

// behind is the address of a gate behind the balancer.
func (f *fleet) behind(gate int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(f.gates[gate].Port))
}

// prepare writes the configuration of one gate.
func (p fleetPlan) prepare(t testing.TB, f *fleet) *testbed.Gate {
	t.Helper()
	g := testbed.NewGate(t, f.gate.CA)
	tls := fmt.Sprintf("{hosts: [%s], mode: files, files: [{cert: %s, key: %s}]}", testbed.Host, f.cert, f.key)
	if p.proxied {
		tls = "{mode: proxied}"
	}
	var upstreams []string
	for _, r := range p.registries {
		upstreams = append(upstreams, fmt.Sprintf("%q", r.URL))
	}
	at := func(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
	config := fmt.Sprintf(fleetConfig, at(g.Port), at(g.PlainPort), strings.TrimPrefix(g.Admin, "http://"), f.gate.URL,
		!p.proxied, cmp.Or(p.grace, "0s"), tls, f.redis.State(g.StatePath()), strings.Join(upstreams, ", "), p.rules)
	if err := os.WriteFile(g.File, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return g
}

// bothIn is the file that HAProxy wants of a certificate and its key.
func bothIn(t testing.TB, cert, key string) string {
	t.Helper()
	var both []byte
	for _, file := range []string{cert, key} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, text...)
	}
	pem := filepath.Join(testbed.Dir(t), "server.pem")
	if err := os.WriteFile(pem, both, 0o600); err != nil {
		t.Fatal(err)
	}
	return pem
}
