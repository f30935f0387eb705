package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
	"github.com/regate/regate/e2e/tool"
)

const clusterHost = "registry.example.com" // of the manifests, and of ci/ of the chart

// TestKubernetesPods runs the containers of manifests, with the images under the
// names that stand there.
func TestKubernetesPods(t *testing.T) {
	t.Parallel()
	d := docker{host: testbed.StartDocker(t)}
	d.importRegistry(t)
	d.importGate(t, "ghcr.io/regate/regate:0.1.0")
	t.Run("plain", func(t *testing.T) { testPlainManifests(t, d) })
	t.Run("chart", func(t *testing.T) { testSingleRelease(t, d) })
	d.importPrograms(t, "valkey/valkey:8.1", map[string]string{"valkey-server": "redis-server", "sh": "busybox", "cat": "busybox"}, nil)
	t.Run("fleet", func(t *testing.T) { testFleetRelease(t, d) })
}

// importGate makes an image of the gate as the Dockerfile does, of the program
// that is built already; TestDockerfile is for the rest.
func (d docker) importGate(t *testing.T, name string) {
	t.Helper()
	program, err := tool.Path("regate")
	if err != nil {
		t.Fatal(err)
	}
	tree := testbed.Dir(t)
	for _, dir := range []string{"var/lib/regate", "var/lib/regate-trust"} {
		if err := os.MkdirAll(filepath.Join(tree, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(filepath.Join(tree, dir), 65532, 65532); err != nil {
			t.Fatal(err)
		}
	}
	testbed.Run(t, testbed.Command{Program: "cp", Args: []string{program, filepath.Join(tree, "regate")}, Dir: testbed.Dir(t)})
	d.importTree(t, tree, name, "-c", `ENTRYPOINT ["/regate"]`, "-c", `CMD ["serve", "-c", "/etc/regate/regate.yaml"]`,
		"-c", "USER 65532:65532", "-c", "EXPOSE 443 80")
}

// testPlainManifests runs the gate and the registry of deploy/kubernetes.
func testPlainManifests(t *testing.T, d docker) {
	m := plainManifests(t)
	withPassword(t, m, "regate-config")
	quick := m.secrets["regate-config"].StringData
	quick["regate.yaml"] = strings.Replace(quick["regate.yaml"], `admin: ":9180"`, `admin: ":9180", grace: 2s`, 1)
	c := newStage(t, d, m)
	registry := c.run(t, m.selected(t, "registry", m.services["registry"].Spec.Selector), "registry")
	registry.awaitReady(t)
	gate := c.run(t, m.selected(t, "regate", m.services["regate"].Spec.Selector), "regate")
	gate.awaitReady(t)
	if got := gate.get(t, "/v2/", ""); got != 401 {
		t.Errorf("/v2/ of a stranger: %d", got)
	}
	if got := gate.get(t, "/v2/team/app/tags/list", adminPassword); got != 404 {
		t.Errorf("tags of a repository that the registry does not have: %d, want its 404", got)
	}
	config := m.secrets["regate-config"].StringData
	config["regate.yaml"] = strings.Replace(config["regate.yaml"], `"admin"}, actions`, `"nobody"}, actions`, 1)
	gate.project(t, gate.volumes["config"], config, 0o440)
	eventually(t, "a change of the Secret is in force", func() bool {
		return gate.get(t, "/v2/team/app/tags/list", adminPassword) == 401
	})
	gate.ends(t)
}

// testSingleRelease runs the gate of the chart twice: what it has to remember is
// on the volume.
func testSingleRelease(t *testing.T, d docker) {
	m := render(t, "single", "--set", "config.listen.grace=2s")
	withPassword(t, m, "main-regate-config")
	c := newStage(t, d, m)
	w := m.selected(t, "main-regate", m.services["main-regate"].Spec.Selector)
	first := c.run(t, w, "main-regate")
	first.awaitReady(t)
	root := d.run(t, "exec", first.id, "/regate", "root", "-c", "/etc/regate/regate.yaml")
	if !strings.Contains(root, "BEGIN CERTIFICATE") {
		t.Errorf("regate root, as the notes of the chart have it:\n%s", root)
	}
	next := m.secrets["main-regate-config"].StringData["regate.yaml"]
	if got := d.in(t, testbed.Dir(t), next, "exec", "-i", first.id, "/regate", "check", "-c", "/dev/stdin"); got != "ok\n" {
		t.Errorf("the gate that runs, asked about the next configuration: %s", got)
	}
	first.ends(t)
	second := c.run(t, w, "main-regate")
	second.awaitReady(t)
	if again := d.run(t, "exec", second.id, "/regate", "root", "-c", "/etc/regate/regate.yaml"); again != root {
		t.Error("the next pod has another token root")
	}
	if got := second.get(t, "/auth?service=registry", adminPassword); got != 200 {
		t.Errorf("a login: %d", got)
	}
}

// testFleetRelease runs two gates of the chart with its Valkey: what one gives
// out, the other takes, also after all of them were started anew.
func testFleetRelease(t *testing.T, d docker) {
	m := render(t, "fleet", "--set", "config.listen.grace=2s", "--set", "config.registries.main.upstreams={http://127.0.0.1:1}")
	withPassword(t, m, "main-regate-config")
	c := newStage(t, d, m)
	testbed.Secret("the password of valkey")
	c.secrets["regate-state"] = map[string]string{"password": "the password of valkey", "state.key": strings.Repeat("0123456789abcdef", 4)}
	valkey := c.run(t, m.selected(t, "valkey", m.services["main-regate-valkey"].Spec.Selector), "main-regate-valkey")
	valkey.awaitReady(t)
	if list := d.run(t, "top", valkey.id); strings.Contains(list, "the password") {
		t.Errorf("the password is in the list of processes:\n%s", list)
	}
	w := m.selected(t, "main-regate", m.services["main-regate"].Spec.Selector)
	first, second := c.run(t, w, "main-regate"), c.run(t, w, "main-regate")
	first.awaitReady(t)
	second.awaitReady(t)
	token := first.token(t)
	if got := second.bearer(t, token); got != 200 {
		t.Errorf("the token of one gate at the other: %d", got)
	}
	first.ends(t)
	third := c.run(t, w, "main-regate")
	third.awaitReady(t)
	if got := third.bearer(t, token); got != 200 {
		t.Errorf("the token of a gate that is gone at the one after it: %d", got)
	}
}

// token logs in as admin.
func (p *pod) token(t *testing.T) string {
	t.Helper()
	status, text := p.ask(t, "/auth?service=registry", func(r *http.Request) { r.SetBasicAuth("admin", adminPassword) })
	var body struct{ Token string }
	if err := json.Unmarshal(text, &body); err != nil || body.Token == "" {
		t.Fatalf("%d, %v in %s", status, err, text)
	}
	return body.Token
}

// bearer asks /v2/ with a token.
func (p *pod) bearer(t *testing.T, token string) int {
	t.Helper()
	status, _ := p.ask(t, "/v2/", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
	return status
}

// withPassword gives admin a password that the test knows.
func withPassword(t *testing.T, m manifests, secret string) {
	t.Helper()
	data := m.secrets[secret].StringData
	data["regate.yaml"] = hash.ReplaceAllLiteralString(data["regate.yaml"], testbed.Bcrypt(t, adminPassword))
}

// get asks a gate for a path, as admin if there is a password, and returns the
// status; 0 if there is no answer.
func (p *pod) get(t *testing.T, path, password string) int {
	t.Helper()
	status, _ := p.ask(t, path, func(r *http.Request) {
		if password != "" {
			r.SetBasicAuth("admin", password)
		}
	})
	return status
}

// ask sends a request that show has completed.
func (p *pod) ask(t *testing.T, path string, show func(*http.Request)) (status int, body []byte) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "https://"+clusterHost+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	show(req)
	client := p.client()
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		t.Log(err)
		return 0, nil
	}
	defer res.Body.Close()
	body, err = io.ReadAll(res.Body)
	if err != nil {
		t.Log(err)
	}
	return res.StatusCode, body
}

// ends has the pod end as a kubelet does: it is not ready any more while it is
// well, and gone before it is killed.
func (p *pod) ends(t *testing.T) {
	t.Helper()
	main := p.spec.Containers[0]
	p.d.run(t, "kill", "--signal", "TERM", p.id)
	eventually(t, "it is not ready", func() bool { return p.probe(main.ReadinessProbe) != nil })
	if err := p.probe(main.LivenessProbe); err != nil {
		t.Errorf("a pod that drains is not well: %v", err)
	}
	p.d.run(t, "wait", p.id)
	if code := strings.TrimSpace(p.d.run(t, "inspect", "--format", "{{.State.ExitCode}}", p.id)); code != "0" {
		t.Errorf("it ended with %s", code)
	}
}
