package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/client"
	"github.com/regate/regate/e2e/testbed"
)

// TestCatalogOfSeveralRegistries has the tools that list repositories page
// through those of two registries of different ages under one host, of which
// each user sees what the rules let them pull from.
func TestCatalogOfSeveralRegistries(t *testing.T) {
	t.Parallel()
	g := testbed.NewGate(t, testbed.NewCA(t))
	first, second := testbed.LocalAddr(), testbed.LocalAddr()
	g.Configure(t, fmt.Sprintf(`
registries:
  first: {upstreams: ["http://%s"], auth: {mode: token, issuer: regate-upstream, service: first}}
  second: {upstreams: ["http://%s"], auth: none}
routes:
  - {repository: "hub/**", strip: "hub/", registry: second}
  - {registry: first}
auth:
  users:
    "admin": {password: %q}
    "dev": {password: %q, labels: {teams: [team, hub/team]}}
  acl:
    - {match: {account: "admin"}, actions: ["*"]}
    - {match: {account: "dev", type: registry}, actions: ["*"]}
    - {match: {account: "dev", name: "${labels:teams}/*"}, actions: [pull, push]}
    - {match: {account: "dev", name: "drop/*"}, actions: [push]}
`, first, second, testbed.Bcrypt(t, adminPassword), testbed.Bcrypt(t, devPassword)))
	old := testbed.StartRegistry(t, testbed.RegistryConfig{
		Version: testbed.Registry2, Addr: first, Auth: testbed.TokenAuth(g.URL+"/auth", "regate-upstream", "first", g.TokenRoot(t)),
	})
	testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Registry3, Addr: second})
	g.Start(t)
	s := &site{gate: g, registry: old}
	s.seed(t, "team/app", "team/app-b", "secret/a", "hub/team/x", "hub/library/alpine", "drop/box")

	mine := []string{"hub/team/x", "team/app", "team/app-b"}
	all := append([]string{"drop/box", "hub/library/alpine", "secret/a"}, mine...)
	for _, tool := range []struct {
		name string
		list func(user, password string) string
	}{
		{"crane catalog", s.craneCatalog(t)},
		{"regctl repo ls", s.regctlCatalog(t)},
	} {
		for _, who := range []struct {
			user, password string
			want           []string
		}{{"dev", devPassword, mine}, {"admin", adminPassword, all}} {
			got := strings.Fields(tool.list(who.user, who.password))
			slices.Sort(got) // by bytes, which is not the order of the catalog
			if want := slices.Sorted(slices.Values(who.want)); !slices.Equal(got, want) {
				t.Errorf("%s as %s: %s, want %s", tool.name, who.user, got, want)
			}
		}
	}
	if log := old.Log(); !strings.Contains(log, "/v2/_catalog") {
		t.Error("the registry was not asked")
	}
}

func (s *site) craneCatalog(t *testing.T) func(user, password string) string {
	return func(user, password string) string {
		home := testbed.Dir(t)
		c, err := client.New("crane", client.Env{Home: home, Host: s.gate.Host, CA: s.gate.CA.File})
		if err == nil {
			err = c.Login(user, password)
		}
		if err != nil {
			t.Fatal(err)
		}
		return testbed.Run(t, testbed.Command{Program: "crane", Args: []string{"catalog", s.gate.Host}, Dir: home,
			Env: []string{"DOCKER_CONFIG=" + filepath.Join(home, "docker"), "SSL_CERT_FILE=" + s.gate.CA.File}})
	}
}

func (s *site) regctlCatalog(t *testing.T) func(user, password string) string {
	return func(user, password string) string {
		home := testbed.Dir(t)
		ca, err := os.ReadFile(s.gate.CA.File)
		if err != nil {
			t.Fatal(err)
		}
		regctl := func(stdin string, args ...string) string {
			return testbed.Run(t, testbed.Command{Program: "regctl", Args: args, Stdin: stdin, Dir: home,
				Env: []string{"REGCTL_CONFIG=" + filepath.Join(home, "regctl.json")}})
		}
		regctl("", "registry", "set", "--skip-check", "--cacert", string(ca), s.gate.Host)
		regctl(password, "registry", "login", "-u", user, "--pass-stdin", s.gate.Host)
		var all []string
		for last := ""; ; { // one name a page, as regctl follows no links
			page := strings.Fields(regctl("", "repo", "ls", "--limit", "1", "--last", last, s.gate.Host))
			if len(page) == 0 {
				return strings.Join(all, "\n")
			}
			all = append(all, page...)
			last = page[0]
		}
	}
}
