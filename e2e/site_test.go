package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/regate/regate/e2e/client"
	"github.com/regate/regate/e2e/testbed"
)

// The people of every test. What they may do is in rules.
const (
	adminPassword = "correct-horse"
	devPassword   = "battery-staple"
)

// rules are the accounts and rights of every test.
func rules(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf(`
auth:
  token: {issuer: regate, service: registry, expiration: 900}
  users:
    "admin": {password: %q}
    "dev": {password: %q}
    "": {}
  acl:
    - {match: {account: "admin"}, actions: ["*"]}
    - {match: {account: "dev", name: "team/*"}, actions: [pull, push, delete]}
    - {match: {account: "dev", name: "locked/*"}, actions: [pull]}
    - {match: {account: "dev", name: "pub/*"}, actions: [pull, push]}
    - {match: {account: "", name: "pub/*"}, actions: [pull]}
`, testbed.Bcrypt(t, adminPassword), testbed.Bcrypt(t, devPassword))
}

// A mode is one way for a registry to trust the gate.
type mode struct {
	name string
	// gate is the auth key of the registry in the gate's configuration.
	gate func(t testing.TB) string
	// registry is the auth section of the registry itself; "" asks nobody.
	registry func(t testing.TB, g *testbed.Gate) string
	// unchecked is true where the gate only routes: refusals are the registry's.
	unchecked bool
}

const upstreamPassword = "between-us"

var modes = []mode{{
	name:     "none",
	gate:     func(testing.TB) string { return "none" },
	registry: func(testing.TB, *testbed.Gate) string { return "" },
}, {
	name: "basic",
	gate: func(t testing.TB) string {
		file := filepath.Join(testbed.Dir(t), "password")
		if err := os.WriteFile(file, []byte(upstreamPassword+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("{mode: basic, username: gate, password_file: %s}", file)
	},
	registry: func(t testing.TB, _ *testbed.Gate) string {
		return testbed.Htpasswd(t, "gate", upstreamPassword)
	},
}, {
	name: "token",
	gate: func(testing.TB) string { return "{mode: token, issuer: regate-upstream, service: main}" },
	registry: func(t testing.TB, g *testbed.Gate) string {
		return testbed.TokenAuth(g.URL+"/auth", "regate-upstream", "main", g.TokenRoot(t))
	},
}, {
	name:     "forward",
	gate:     func(testing.TB) string { return "{mode: forward}" },
	registry: clientTokens,
}, {
	// Pure routing, as a load balancer in front of docker_auth did: the registry
	// has the challenge and the last word, the gate gives out the tokens.
	name:      "forward, check: false",
	gate:      func(testing.TB) string { return "{mode: forward, check: false}" },
	registry:  clientTokens,
	unchecked: true,
}}

// clientTokens has the registry verify the same tokens that clients get.
func clientTokens(t testing.TB, g *testbed.Gate) string {
	return testbed.TokenAuth(g.URL+"/auth", "regate", "registry", g.TokenRoot(t))
}

// A site is a gate in front of one registry.
type site struct {
	gate     *testbed.Gate
	registry *testbed.Registry
	engines  engines
}

// engines are what docker and ctr are only the command lines of.
type engines struct{ docker, containerd string }

func startEngines(t testing.TB) engines {
	t.Helper()
	return engines{docker: testbed.StartDocker(t), containerd: testbed.StartContainerd(t)}
}

// startSite starts a registry and a gate that trust each other by the mode.
func startSite(t testing.TB, m mode, v testbed.Version, e engines) *site {
	t.Helper()
	s := prepareSite(t, m, v, e)
	s.gate.Start(t)
	return s
}

// prepareSite is startSite without starting the gate.
func prepareSite(t testing.TB, m mode, v testbed.Version, e engines) *site {
	t.Helper()
	return prepareBehind(t, testbed.NewGate(t, testbed.NewCA(t)), m, v, e)
}

// prepareBehind is prepareSite with a gate of the test's own.
func prepareBehind(t testing.TB, g *testbed.Gate, m mode, v testbed.Version, e engines) *site {
	t.Helper()
	s := &site{gate: g, engines: e}
	addr := testbed.LocalAddr()
	s.gate.Configure(t, fmt.Sprintf("registries: {main: {upstreams: [\"http://%s\"], auth: %s}}%s", addr, m.gate(t), rules(t)))
	auth := m.registry(t, s.gate)
	s.registry = testbed.StartRegistry(t, testbed.RegistryConfig{Version: v, Addr: addr, Auth: auth})
	return s
}

// client returns a client with a fresh home that trusts the site's authority.
func (s *site) client(t testing.TB, name string) client.Client {
	t.Helper()
	return s.clientTrusting(t, name, s.gate.CA.File)
}

func (s *site) clientTrusting(t testing.TB, name, ca string) client.Client {
	t.Helper()
	c, err := client.New(name, client.Env{
		Home:       testbed.Dir(t),
		Host:       s.gate.Host,
		CA:         ca,
		Docker:     s.engines.docker,
		Containerd: s.engines.containerd,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// seed has the admin push an image to each repository with the tag x,
// and returns the digest of the last.
func (s *site) seed(t testing.TB, repos ...string) (digest string) {
	t.Helper()
	crane := s.client(t, "crane")
	if err := crane.Login("admin", adminPassword); err != nil {
		t.Fatal(err)
	}
	for _, repo := range repos {
		var err error
		if digest, err = crane.Push(repo, "x"); err != nil {
			t.Fatal(err)
		}
	}
	return digest
}
