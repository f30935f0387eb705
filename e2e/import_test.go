package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
	"github.com/regate/regate/e2e/tool"
)

// oldIssuer is what the registries behind docker_auth have as auth.token.issuer,
// in all of these.
const oldIssuer = "Acme auth server"

// TestImport moves set-ups of docker_auth, from its file to a pull.
func TestImport(t *testing.T) {
	t.Parallel()
	e := engines{docker: testbed.StartDocker(t)}
	for _, tt := range []struct {
		name string
		move func(*testing.T, engines)
	}{
		{"users", movesUsers},
		{"directory", movesDirectory},
		{"programs", movesPrograms},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.move(t, e)
		})
	}
}

// A move is a configuration of docker_auth's on its way to a gate.
type move struct {
	gate       *testbed.Gate
	service    string // auth.token.service of the registry
	cert, key  string // docker_auth's, for TLS and tokens
	yaml, said string // what the import has printed
}

func newMove(t *testing.T) *move {
	t.Helper()
	m := &move{gate: testbed.NewGate(t, testbed.NewCA(t)), service: "registry"}
	m.cert, m.key = m.gate.CA.Issue(t, testbed.Host)
	return m
}

// server is the part of docker_auth's file that is always the same.
func (m *move) server() string {
	return fmt.Sprintf("server: {addr: \":5001\", certificate: %s, key: %s}\ntoken: {issuer: %q, expiration: 900}\n", m.cert, m.key, oldIssuer)
}

// convert imports docker_auth's file. What comes of it is taken as it is.
func (m *move) convert(t *testing.T, source string) {
	t.Helper()
	dir := testbed.Dir(t)
	regate, err := tool.Path("regate")
	must(t, err)
	save(t, filepath.Join(dir, "auth_config.yml"), source)
	testbed.Run(t, testbed.Command{Program: "sh", Dir: dir, Args: []string{"-c", `cd "$1" && "$0" import docker_auth auth_config.yml >regate.yaml 2>report`, regate, dir}})
	m.yaml, m.said = contents(t, filepath.Join(dir, "regate.yaml")), contents(t, filepath.Join(dir, "report"))
	if out := testbed.Run(t, testbed.Command{Program: "regate", Dir: dir, Args: []string{"check", "-c", filepath.Join(dir, "regate.yaml")}}); !strings.HasSuffix(out, "ok\n") {
		t.Errorf("check says %s", out)
	}
}

// fill writes what docker_auth's file did not say, and where this gate is.
func (m *move) fill(t *testing.T, registry string) {
	t.Helper()
	for _, r := range []struct{ from, to string }{
		{"listen:\n  https: \":443\"\n", fmt.Sprintf("listen: {https: \"%s:%d\", http: \"\", admin: %q, grace: 0s}\nstate: {path: %s}\nlog: {level: debug, format: json}\n",
			testbed.Address, m.gate.Port, strings.TrimPrefix(m.gate.Admin, "http://"), m.gate.StatePath())},
		{"http://127.0.0.1:5000", "http://" + registry},
		{`service: "registry"`, fmt.Sprintf("service: %q", m.service)},
	} {
		if strings.Count(m.yaml, r.from) != 1 {
			t.Fatalf("%q is not there to be filled in:\n%s", r.from, m.yaml)
		}
		m.yaml = strings.Replace(m.yaml, r.from, r.to, 1)
	}
	save(t, m.gate.File, m.yaml)
}

// start puts the gate before a registry that trusts docker_auth and the gate,
// as in the days of the move.
func (m *move) start(t *testing.T, e engines) *site {
	t.Helper()
	addr := testbed.LocalAddr()
	m.fill(t, addr)
	roots := filepath.Join(testbed.Dir(t), "token-roots.pem")
	save(t, roots, contents(t, m.cert)+contents(t, m.gate.TokenRoot(t)))
	s := &site{gate: m.gate, engines: e}
	s.registry = testbed.StartRegistry(t, testbed.RegistryConfig{
		Version: testbed.Registry3, Addr: addr, Auth: testbed.TokenAuth(m.gate.URL+"/auth", oldIssuer, m.service, roots),
	})
	m.gate.Start(t)
	return s
}

// silent fails if a password is where people look.
func (m *move) silent(t *testing.T, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		if strings.Contains(m.said, secret) || strings.Contains(m.yaml, secret) || strings.Contains(m.gate.Log(), secret) {
			t.Errorf("%q is in the report, the result or the log", secret)
		}
	}
}

func contents(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	must(t, err)
	return string(text)
}

// movesUsers is the example in docs/from-docker-auth.md.
func movesUsers(t *testing.T, e engines) {
	m := newMove(t)
	m.service = "Docker registry"
	page := contents(t, filepath.Join(tool.Root(), "docs", "from-docker-auth.md"))
	_, source, _ := strings.Cut(page, "```yaml\n")
	source, _, _ = strings.Cut(source, "```")
	m.convert(t, strings.NewReplacer("/etc/docker_auth/server.pem", m.cert, "/etc/docker_auth/server.key", m.key).Replace(source))
	for line := range strings.Lines(m.said) {
		if line = strings.TrimSpace(line); !strings.Contains(page, line+"\n") {
			t.Errorf("the page does not have what the import says: %s", line)
		}
	}
	s := m.start(t, e)

	admin, alice, carol, nobody := s.client(t, "crane"), s.client(t, "docker"), s.client(t, "crane"), s.client(t, "crane")
	must(t, admin.Login("admin", adminPassword))
	for _, repo := range []string{"web/shop", "secret/plans", "secret/old/plans", "pub/tool"} {
		if _, err := admin.Push(repo, version); err != nil {
			t.Fatal(err)
		}
	}
	must(t, alice.Login("alice", devPassword))
	if _, err := alice.Pull("web/shop:" + version); err != nil {
		t.Errorf("docker pull: %v", err)
	}
	must(t, carol.Login("carol", ownerPassword))
	if _, err := carol.Push("lab-7/x", version); err != nil {
		t.Errorf("push by a label with a wildcard: %v", err)
	}
	if _, err := carol.Push("web/shop", version); err == nil || !strings.Contains(err.Error(), "UNAUTHORIZED") {
		t.Errorf("push into the repository of another team: %v", err)
	}
	if _, err := carol.Pull("secret/plans:" + version); err == nil || !strings.Contains(err.Error(), "UNAUTHORIZED") {
		t.Errorf("pull of what is refused: %v", err)
	}
	if _, err := carol.Pull("secret/old/plans:" + version); err != nil { // as the report has warned
		t.Errorf("pull of what a * does not refuse: %v", err)
	}
	if _, err := nobody.Pull("pub/tool:" + version); err != nil {
		t.Errorf("pull without logging in: %v", err)
	}
	if _, err := nobody.Push("team/x", version); err == nil { // what the rule of team: ops grants in docker_auth
		t.Error("somebody who is not logged in pushes")
	}
	m.silent(t, adminPassword, devPassword, ownerPassword)
}

// movesDirectory has the groups of people from memberOf, as docker_auth must.
func movesDirectory(t *testing.T, e engines) {
	m := newMove(t)
	d := testbed.StartSlapd(t, people(t))
	password := filepath.Join(testbed.Dir(t), "password")
	save(t, password, gatePassword+"\n")
	m.convert(t, m.server()+fmt.Sprintf(`
ldap_auth:
  addr: %s
  tls: starttls
  ca_certificate: %s
  bind_dn: cn=gate,dc=example,dc=com
  bind_password_file: %s
  base: ou=people,dc=example,dc=com
  filter: (&(uid=${account})(objectClass=person))
  labels:
    groups: {attribute: memberOf, parse_cn: true}
acl:
  - match: {name: "${labels:groups}/*"}
    actions: [pull, push]
  - match: {account: "/.+/"}
    actions: [pull]
`, d.Plain, d.CA.File, password))
	if !strings.Contains(m.yaml, "label_patterns: [\"groups\"]") {
		t.Errorf("values of the directory are no patterns any more:\n%s", m.yaml)
	}
	s := m.start(t, e)

	alice, bob, wrong := s.client(t, "docker"), s.client(t, "docker"), s.client(t, "docker")
	must(t, alice.Login("alice", alicePassword))
	digest, err := alice.Push("shop/app", version)
	must(t, err)
	must(t, bob.Login("bob", bobPassword))
	if got, err := bob.Pull("shop/app:" + version); err != nil || got != digest {
		t.Errorf("docker pull: %s, %v; want %s", got, err, digest)
	}
	if scope := s.scope(t, "bob", bobPassword, "repository:shop/app:pull,push"); scope != "repository:shop/app:pull" {
		t.Errorf("somebody in no group is granted %q", scope)
	}
	if err := wrong.Login("alice", "not-her-password"); err == nil || !strings.Contains(err.Error(), "unauthorized") {
		t.Errorf("docker login with a wrong password: %v", err)
	}
	m.silent(t, alicePassword, bobPassword, gatePassword, "not-her-password")
}

// movesPrograms has a program like that of docker_auth's documentation, and
// one for the rights that no rule gives.
func movesPrograms(t *testing.T, e engines) {
	m := newMove(t)
	dir := testbed.Dir(t)
	login, may := filepath.Join(dir, "login"), filepath.Join(dir, "may")
	script(t, login, "read u p\n"+
		`if [ "$u" = carol ] && [ "$p" = `+ownerPassword+` ]; then echo '{"labels": {"team": ["shop"]}}'; exit 0; fi`+"\n"+
		"[ \"$u\" = carol ] && exit 1\nexit 2\n")
	script(t, may, "grep -q '\"Name\":\"open/' && exit 0\nexit 1\n")
	m.convert(t, m.server()+fmt.Sprintf(`
users: {dev: {password: %q}}
ext_auth: {command: %s, args: [--quiet]}
acl:
  - {match: {name: "${labels:team}/*"}, actions: ["*"]}
  - {match: {account: dev, name: "/^dev\\/.*$/"}, actions: ["*"]}
ext_authz: {command: %s}
`, testbed.Bcrypt(t, devPassword), login, may))
	s := m.start(t, e)

	carol, dev := s.client(t, "docker"), s.client(t, "crane")
	must(t, carol.Login("carol", ownerPassword))
	digest, err := carol.Push("open/app", version)
	must(t, err)
	must(t, dev.Login("dev", devPassword))
	if got, err := dev.Pull("open/app:" + version); err != nil || got != digest {
		t.Errorf("pull: %s, %v; want %s", got, err, digest)
	}
	wants := "repository:dev/a/b:push repository:open/app:pull repository:shop/app:pull,push"
	if scope := s.scope(t, "carol", ownerPassword, wants); scope != "repository:open/app:pull repository:shop/app:pull,push" {
		t.Errorf("carol is granted %q", scope)
	}
	if scope := s.scope(t, "dev", devPassword, wants); scope != "repository:dev/a/b:push repository:open/app:pull" {
		t.Errorf("dev is granted %q", scope)
	}
	if err := s.client(t, "docker").Login("carol", "not-her-password"); err == nil {
		t.Error("docker logs in with a wrong password")
	}
	m.silent(t, ownerPassword, devPassword, "not-her-password")
}

func script(t *testing.T, file, text string) {
	t.Helper()
	save(t, file, "#!/bin/sh\n"+text)
	must(t, os.Chmod(file, 0o755))
}
