package e2e

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/client"
	"github.com/regate/regate/e2e/testbed"
)

const hubPassword = "of-docker-hub"

// A mirrorSite is a gate with a registry of its own and two of somebody else,
// which stand for docker.io and quay.io.
type mirrorSite struct {
	*site
	hub, quay *testbed.Registry
	hubHost   string // of the gate, for docker.io alone
	digest    string // of library/app at docker.io
	docker    string // an engine with the gate as its mirror
}

func startMirrors(t *testing.T) *mirrorSite {
	t.Helper()
	testbed.Secret(hubPassword, upstreamPassword)
	ca := testbed.NewCA(t)
	g := testbed.NewGate(t, ca)
	cert, key := ca.Issue(t, testbed.Host, testbed.MirrorHost)
	g.TLS = fmt.Sprintf("{hosts: [%s, %s], mode: files, files: [{cert: %s, key: %s}]}", testbed.Host, testbed.MirrorHost, cert, key)
	m := &mirrorSite{site: &site{gate: g}, hubHost: strings.Replace(g.Host, testbed.Host, testbed.MirrorHost, 1)}
	m.registry = testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Registry3})
	m.hub = testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Registry2, Auth: testbed.Htpasswd(t, "gate", upstreamPassword)})
	m.quay = testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Registry3})
	password := filepath.Join(testbed.Dir(t), "password")
	if err := os.WriteFile(password, []byte(upstreamPassword), 0o600); err != nil {
		t.Fatal(err)
	}
	g.Configure(t, fmt.Sprintf(`
registries:
  main: {upstreams: [%q]}
  hub:
    kind: mirror
    ns: docker.io
    upstreams: [%q]
    username: gate
    password_file: %s
    mirror: {hosts: [%s], anonymous: true}
  quay: {kind: mirror, ns: quay.io, upstreams: [%q]}
auth:
  token: {issuer: regate, service: registry, expiration: 900}
  users: {"dev": {password: %q}, "": {}}
  acl:
    - {match: {account: dev, name: "team/*"}, actions: ["*"]}
    - {match: {account: dev, type: registry}, actions: ["*"]}
    - {match: {account: dev, name: "/^[^/]+/library/"}, actions: [pull, push]}
    - {match: {name: "docker.io/*/*"}, actions: [pull]}
`, m.registry.URL, m.hub.URL, password, testbed.MirrorHost, m.quay.URL, testbed.Bcrypt(t, devPassword)))
	g.Start(t)
	m.digest = m.put(t, m.hub, "gate", upstreamPassword)
	m.put(t, m.quay, "", "")
	for _, host := range []string{g.Host, m.hubHost} { // whose CAs the builder of the engine reads when it starts
		if _, err := client.New("docker", client.Env{Home: testbed.Dir(t), Host: host, CA: ca.File}); err != nil { // which trusts the host
			t.Fatal(err)
		}
	}
	m.docker = testbed.StartDockerWithMirror(t, "https://"+m.hubHost)
	m.engines = engines{containerd: testbed.StartContainerd(t)}
	return m
}

// put pushes library/app to a registry, not through the gate.
func (m *mirrorSite) put(t *testing.T, r *testbed.Registry, user, password string) (digest string) {
	t.Helper()
	c, err := client.New("crane", client.Env{Home: testbed.Dir(t), Host: r.Addr})
	if err == nil && user != "" {
		err = c.Login(user, password)
	}
	if err == nil {
		digest, err = c.Push("library/app", version)
	}
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// TestMirrors has each client configured as its manual says.
func TestMirrors(t *testing.T) {
	t.Parallel()
	m := startMirrors(t)
	t.Run("docker", m.dockerd)
	t.Run("containerd", m.containerd)
	t.Run("podman", m.podman)
	t.Run("crane", m.crane)
	t.Run("tokens", m.tokens)
	t.Run("buildkit", m.buildkit)
	log := m.gate.Log()
	if !strings.Contains(log, `"repo":"docker.io/library/app"`) || !strings.Contains(log, `"granted":"repository:docker.io/library/app:pull"`) {
		t.Error("the log has another name than the rules")
	}
	if strings.Contains(log, "hubuser") {
		t.Error("the log has the user of Docker Hub")
	}
}

// dockerd has registry-mirrors, and shows the user of Docker Hub to each.
func (m *mirrorSite) dockerd(t *testing.T) {
	for name, pair := range map[string]string{"somebody of Docker Hub": "hubuser:" + hubPassword, "one of ours": "dev:" + devPassword, "nobody": ""} {
		home := testbed.Dir(t)
		if err := os.MkdirAll(filepath.Join(home, "docker"), 0o755); err != nil {
			t.Fatal(err)
		}
		if pair != "" {
			text := fmt.Sprintf(`{"auths": {"https://index.docker.io/v1/": {"auth": %q}}}`, base64.StdEncoding.EncodeToString([]byte(pair)))
			if err := os.WriteFile(filepath.Join(home, "docker", "config.json"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c, err := client.New("docker", client.Env{Home: home, Host: "docker.io", Docker: m.docker})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Pull("library/app:" + version); err != nil || got != m.digest {
			t.Errorf("%s pulled %s: %v, want %s", name, got, err, m.digest)
		}
	}
}

// containerd has a hosts.toml, and says in each request which registry it means.
func (m *mirrorSite) containerd(t *testing.T) {
	for _, tt := range []struct {
		registry, user string
		want           bool
	}{{"docker.io", "", true}, {"docker.io", "dev", true}, {"quay.io", "dev", true}, {"quay.io", "", false}, {"ghcr.io", "dev", false}} {
		c, err := client.New("ctr", client.Env{Home: testbed.Dir(t), Host: m.gate.Host, CA: m.gate.CA.File, Containerd: m.engines.containerd, Namespace: tt.registry})
		if err == nil && tt.user != "" {
			err = c.Login(tt.user, devPassword)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Pull("library/app:" + version); (err == nil) != tt.want {
			t.Errorf("%q pulled from %s: %v", tt.user, tt.registry, err)
		}
		if _, err := c.Push("library/app", "mine"); err == nil { // 1.6 does not say for which registry
			t.Errorf("%q pushed to %s", tt.user, tt.registry)
		}
	}
}

// podman has a mirror in registries.conf, and writes the name after its own.
func (m *mirrorSite) podman(t *testing.T) {
	dir := testbed.Dir(t)
	ca, err := os.ReadFile(m.gate.CA.File)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "certs"), 0o755); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"certs/ca.crt":    string(ca),
		"registries.conf": fmt.Sprintf("[[registry]]\nprefix = \"docker.io\"\nlocation = \"docker.io\"\n[[registry.mirror]]\nlocation = %q\n", m.gate.Host+"/docker.io"),
		"auth.json":       "{}",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := testbed.Run(t, testbed.Command{
		Program: "podman", Dir: dir,
		Args: []string{"--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"), "--storage-driver", "overlay", "--cgroup-manager", "cgroupfs",
			"pull", "--cert-dir", filepath.Join(dir, "certs"), "docker.io/library/app:" + version},
		Env: []string{"CONTAINERS_REGISTRIES_CONF=" + filepath.Join(dir, "registries.conf"), "REGISTRY_AUTH_FILE=" + filepath.Join(dir, "auth.json")},
	})
	if strings.TrimSpace(out) == "" {
		t.Error("podman pulled nothing")
	}
}

// crane has the registry in the path, and pushes beside it what is ours.
func (m *mirrorSite) crane(t *testing.T) {
	c := m.client(t, "crane")
	if got, err := c.Pull("docker.io/library/app:" + version); err != nil || got != m.digest {
		t.Errorf("pulled %s: %v, want %s", got, err, m.digest)
	}
	if err := c.Login("dev", devPassword); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Push("team/app", version); err != nil {
		t.Errorf("push to our own: %v", err)
	}
	for _, repo := range []string{"docker.io/library/app", "quay.io/team/app"} {
		if _, err := c.Push(repo, "mine"); err == nil {
			t.Errorf("pushed to %s", repo)
		}
	}
	token := m.token(t, "dev", devPassword, "registry:catalog:*")
	var list struct{ Repositories []string }
	req, err := http.NewRequest("GET", m.gate.URL+"/v2/_catalog", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if m.fetch(t, req, &list); fmt.Sprint(list.Repositories) != "[team/app]" {
		t.Errorf("the catalog has %v", list.Repositories)
	}
}

// tokens are for one registry each, whatever name they have in common.
func (m *mirrorSite) tokens(t *testing.T) {
	of := func(service, repo string) string {
		req, err := http.NewRequest("GET", m.gate.URL+"/auth?"+url.Values{"service": {service}, "scope": {"repository:" + repo + ":pull"}}.Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("dev", devPassword)
		var reply struct{ Token string }
		m.fetch(t, req, &reply)
		return reply.Token
	}
	const app = "library/app/tags/list"
	for _, tt := range []struct {
		name, token, target string
		want                int
	}{
		{"ns", of("registry/docker.io", "library/app"), app + "?ns=docker.io", 200},
		{"full name", of("registry", "docker.io/library/app"), app + "?ns=docker.io", 200},
		{"path", of("registry", "docker.io/library/app"), "docker.io/" + app, 200},
		{"another ns", of("registry/docker.io", "library/app"), app + "?ns=quay.io", 401},
		{"another ns, the other way", of("registry/quay.io", "library/app"), app + "?ns=docker.io", 401},
		{"our own", of("registry/docker.io", "library/app"), app, 401},
		{"bare name", of("registry", "library/app"), app + "?ns=docker.io", 401},
		{"bare name in the path", of("registry", "library/app"), "docker.io/" + app, 401},
		{"unknown ns", of("registry", "library/app"), app + "?ns=evil.example", 404},
	} {
		if res := m.do(t, "GET", m.gate.URL+"/v2/"+tt.target, tt.token, nil); res.StatusCode != tt.want {
			t.Errorf("%s: %s, want %d", tt.name, res.Status, tt.want)
		}
	}
}
