package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/client"
	"github.com/regate/regate/e2e/testbed"
)

// A private gate is what people have whose network nobody sees from outside: its
// own CA, a name of their own, and the port that references leave out.
type privateGate struct {
	*testbed.Process
	name, addr, url string
	file            string // its configuration
	state           string
}

// startPrivate starts a gate that is its own CA, in front of a registry, at an
// address that docker has no reason to trust, and on port 443.
func startPrivate(t *testing.T, addr string) *privateGate {
	t.Helper()
	dir := testbed.Dir(t)
	g := &privateGate{name: "registry.corp.test", addr: addr, file: filepath.Join(dir, "regate.yaml"), state: filepath.Join(dir, "state")}
	g.url = "https://" + g.name
	testbed.Run(t, testbed.Command{Program: "ip", Args: []string{"addr", "add", addr + "/32", "dev", "lo"}, Dir: dir})
	t.Cleanup(func() {
		testbed.Run(t, testbed.Command{Program: "ip", Args: []string{"addr", "del", addr + "/32", "dev", "lo"}, Dir: dir})
	})
	registry := testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Registry2})
	config := fmt.Sprintf(`
listen: {https: "%s:443", http: "", admin: "", grace: 0s}
tls: {hosts: [%s], mode: internal}
state: {path: %s}
registries: {main: {upstreams: [%q]}}
%s`, addr, g.name, g.state, registry.URL, rules(t))
	if err := os.WriteFile(g.file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	g.Process = testbed.Start(t, testbed.Command{Program: "regate", Args: []string{"serve", "-c", g.file}, Dir: dir})
	return g
}

// hosts is the line for /etc/hosts.
func (g *privateGate) hosts() string { return g.addr + " " + g.name }

var caLine = regexp.MustCompile(`(?m)^# CA: (sha256:[0-9a-f]{64})$`)

// fingerprint is what whoever runs the gate reads there.
func (g *privateGate) fingerprint(t *testing.T) string {
	t.Helper()
	out := testbed.Run(t, testbed.Command{Program: "regate", Args: []string{"root", "-c", g.file}, Dir: testbed.Dir(t)})
	found := caLine.FindStringSubmatch(out)
	if found == nil {
		t.Fatalf("regate root names no CA:\n%s", out)
	}
	return found[1]
}

// A workplace is a machine that pulls, with the engines that are on it.
type workplace struct {
	*testbed.Machine
	gate               *privateGate
	docker, containerd string
	home               string
}

func startWorkplace(t *testing.T, g *privateGate) *workplace {
	t.Helper()
	w := &workplace{Machine: testbed.NewMachine(t, g.hosts()), gate: g, home: testbed.Dir(t)}
	w.docker, w.containerd = w.StartDocker(t), testbed.StartContainerd(t)
	if err := os.WriteFile(filepath.Join(w.home, "auth.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	testbed.Await(t, func() error {
		_, err := w.trust(t, "--json", "--for", "docker")
		return err
	})
	return w
}

// trust runs regate trust for the gate, with no terminal.
func (w *workplace) trust(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return w.Try(t, testbed.Command{Program: "regate", Args: append([]string{"trust", w.gate.url}, args...), Dir: w.home})
}

// podman runs podman as people do: without --cert-dir.
func (w *workplace) podman(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	own := []string{"--root", w.home + "/root", "--runroot", w.home + "/run", "--storage-driver", "overlay", "--cgroup-manager", "cgroupfs"}
	return w.Try(t, testbed.Command{
		Program: "podman", Args: append(own, args...), Stdin: stdin, Dir: w.home, Env: []string{"REGISTRY_AUTH_FILE=" + w.home + "/auth.json"},
	})
}

func (w *workplace) podmanLogin(t *testing.T) error {
	_, err := w.podman(t, devPassword, "login", "-u", "dev", "--password-stdin", w.gate.name)
	return err
}

// ctrPull is how nerdctl and the CRI look for what they trust.
func (w *workplace) ctrPull(t *testing.T, ref string) error {
	_, err := w.Try(t, testbed.Command{Program: "ctr", Dir: w.home, Args: []string{"--address", w.containerd,
		"images", "pull", "--hosts-dir", "/etc/containerd/certs.d", "--user", "dev:" + devPassword, ref}})
	return err
}

func (w *workplace) curl(t *testing.T) (string, error) {
	return w.Try(t, testbed.Command{Program: "curl", Args: []string{"--silent", "--show-error", w.gate.url + "/v2/"}, Dir: w.home})
}

// files lists what regate may have left on the machine.
func (w *workplace) files(t *testing.T) string {
	return w.Run(t, testbed.Command{Program: "find", Dir: w.home, Args: []string{
		"/etc/docker", "/etc/containers", "/etc/containerd", "/usr/local/share/ca-certificates", "-path", "*" + w.gate.name + "*", "-type", "f"}})
}

// TestTrustInstalls goes the way of whoever sets up a machine: nobody trusts
// the gate, no word of a stranger changes that, and one command does.
func TestTrustInstalls(t *testing.T) {
	t.Parallel()
	g := startPrivate(t, "10.77.43.1")
	w := startWorkplace(t, g)
	docker, err := client.New("docker", client.Env{Home: w.home, Host: g.name, Docker: w.docker})
	if err != nil {
		t.Fatal(err)
	}
	pull := g.name + "/team/app:" + version
	unknown(t, "docker login", docker.Login("dev", devPassword))
	unknown(t, "podman login", w.podmanLogin(t))
	unknown(t, "ctr pull", w.ctrPull(t, pull))
	if out, err := w.curl(t); err == nil {
		t.Errorf("curl trusts the gate: %s", out)
	}

	for want, args := range map[string][]string{
		"no terminal to ask at":  {"--install"},
		"somebody is between":    {"--install", "--fingerprint", "sha256:" + strings.Repeat("0", 64)},
		"is not on this machine": {"--install", "--for", "kubernetes", "--fingerprint", g.fingerprint(t)},
	} {
		if out, err := w.trust(t, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("regate trust %q: %s%v, want %q", args, out, err, want)
		}
	}
	if left := w.files(t); left != "" {
		t.Fatalf("refused, and yet there is\n%s", left)
	}

	print := g.fingerprint(t)
	if !strings.Contains(g.Log(), `"fingerprint":"`+print+`"`) {
		t.Errorf("regate root says %s, and the log of serve does not", print)
	}
	out, err := w.trust(t, "--install", "--fingerprint", print)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []string{"docker", "podman", "containerd"} {
		if !strings.Contains(out, "\n"+c+"\n  written: ") && !strings.HasPrefix(out, c+"\n  written: ") {
			t.Errorf("%s is not served:\n%s", c, out)
		}
	}
	if again, err := w.trust(t, "--install", "--fingerprint", print); err != nil || strings.Contains(again, "written") || strings.Count(again, "already there") != 4 {
		t.Errorf("a second time: %v\n%s", err, again)
	}

	if err := docker.Login("dev", devPassword); err != nil {
		t.Fatal(err)
	}
	digest, err := docker.Push("team/app", version)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := docker.Pull("team/app:" + version); err != nil || got != digest {
		t.Errorf("docker pull = %s, %v, want %s", got, err, digest)
	}
	if err := w.podmanLogin(t); err != nil {
		t.Error(err)
	}
	if out, err := w.podman(t, "", "pull", "--quiet", pull); err != nil {
		t.Errorf("podman pull: %s%v", out, err)
	}
	if err := w.ctrPull(t, pull); err != nil {
		t.Error(err)
	}
	testSystemStore(t, w, print)
}

// testSystemStore: what all programs of a machine trust is another question,
// and has another answer.
func testSystemStore(t *testing.T, w *workplace, print string) {
	if out, err := w.curl(t); err == nil {
		t.Errorf("curl trusts the gate, though the system's store was not named: %s", out)
	}
	if _, err := w.trust(t, "--install", "--for", "system", "--fingerprint", print); err != nil {
		t.Fatal(err)
	}
	if out, err := w.curl(t); err != nil || !strings.Contains(out, "UNAUTHORIZED") {
		t.Errorf("curl: %s%v", out, err)
	}
}

func unknown(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), "certificate signed by unknown authority") {
		t.Errorf("%s: %v, want a certificate of unknown authority", what, err)
	}
}

// TestTrustOfAPublicCertificate: where a machine trusts the gate as it is, there
// is nothing to do, and trust says so.
func TestTrustOfAPublicCertificate(t *testing.T) {
	t.Parallel()
	ca := testbed.NewCA(t)
	g := testbed.NewGate(t, ca)
	g.Configure(t, "registries: {main: {upstreams: [\"http://127.0.0.1:9\"]}}"+rules(t))
	g.Start(t)
	trust := testbed.Command{Program: "regate", Args: []string{"trust", g.URL, "--install"}, Dir: testbed.Dir(t)}
	if out, err := testbed.Try(trust); err == nil || !strings.Contains(err.Error(), "name it with --ca-file") {
		t.Errorf("of a CA that nobody knows: %s%v", out, err)
	}
	trust.Env = []string{"SSL_CERT_FILE=" + ca.File}
	if out, err := testbed.Try(trust); err != nil || !strings.Contains(out, "Nothing need be installed") {
		t.Errorf("of a CA that the machine knows: %s%v", out, err)
	}
	trust.Args = append(trust.Args, "--json")
	out := testbed.Run(t, trust)
	var r struct{ Public bool }
	if err := json.Unmarshal([]byte(out), &r); err != nil || !r.Public {
		t.Errorf("--json: %v\n%s", err, out)
	}
}
