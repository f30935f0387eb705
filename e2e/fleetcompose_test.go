package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/image"
	"github.com/regate/regate/e2e/testbed"
	"github.com/regate/regate/e2e/tool"
)

// TestFleetCompose does what deploy/fleet/README.md says, with the files as
// they are.
func TestFleetCompose(t *testing.T) {
	t.Parallel()
	d := docker{host: testbed.StartDocker(t)}
	d.importRegistry(t)
	d.importGate(t, "regate")
	d.importPrograms(t, "haproxy:3.0", map[string]string{"haproxy": "haproxy"}, nil,
		`ENTRYPOINT ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]`, "USER 99:99")
	d.importPrograms(t, "redis:7", map[string]string{"redis-server": "redis-server", "redis-cli": "redis-cli"}, []string{"data"},
		"WORKDIR /data", "VOLUME /data", "USER 999:999")
	f := composed{d: d, dir: fleetFiles(t)}
	ports443and80.Lock()
	t.Cleanup(ports443and80.Unlock)
	t.Cleanup(func() {
		said := f.compose(t, "logs", "--no-color", "gate1", "gate2")
		testbed.Said(t, said)
		if t.Failed() {
			t.Log(f.compose(t, "logs", "--no-color"))
		}
		f.compose(t, "down", "--volumes", "--timeout", "5")
	})
	f.compose(t, "up", "-d", "gate1", "gate2") // the balancer's address is left free, as after a reboot without an order
	f.compose(t, "up", "-d")
	eventually(t, "the gates answer at https://localhost", func() bool { return f.login("change me") == nil })
	f.push(t, "team/app:1")
	for _, gate := range []string{"gate1", "gate2"} {
		said := f.compose(t, "logs", "--no-color", gate)
		if !strings.Contains(said, `"client":"10.91.0.1"`) || strings.Contains(said, `"client":"10.91.0.2"`) {
			t.Errorf("%s has done nothing, or takes the balancer for its client:\n%s", gate, said)
		}
	}
	t.Run("restarts", f.restarts)
	t.Run("kills", f.kills)
	t.Run("no redis", f.withoutRedis)
}

// composed is the compose file, running.
type composed struct {
	d   docker
	dir string
}

// fleetFiles copies deploy/fleet, with a shorter grace, and makes the secrets.
func fleetFiles(t *testing.T) string {
	t.Helper()
	dir := testbed.Dir(t)
	testbed.Run(t, testbed.Command{Program: "cp", Args: []string{"-r", filepath.Join(tool.Root(), "deploy", "fleet") + "/.", dir}, Dir: dir})
	config := filepath.Join(dir, "config", "regate.yaml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	quick := strings.Replace(string(text), "proxy_protocol: true", "proxy_protocol: true\n  grace: 4s", 1)
	for path, text := range map[string]string{
		config: quick,
		filepath.Join(dir, "config", "state.key"): strings.Repeat("0123456789abcdef", 4) + "\n",
		filepath.Join(dir, ".env"):                "REGISTRY_HTTP_SECRET=0123456789abcdef\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"chmod", "-R", "a+rX", dir}, {"chown", "65532", filepath.Join(dir, "config", "state.key")}, {"chmod", "400", filepath.Join(dir, "config", "state.key")}} {
		testbed.Run(t, testbed.Command{Program: args[0], Args: args[1:], Dir: dir})
	}
	return dir
}

func (f composed) compose(t testing.TB, args ...string) string {
	t.Helper()
	return testbed.Run(t, testbed.Command{
		Program: "docker-compose", Args: append([]string{"--project-directory", f.dir, "-f", filepath.Join(f.dir, "compose.yaml")}, args...),
		Dir: f.dir, Env: f.d.env(),
	})
}

func (f composed) login(password string) error {
	_, err := f.docker("login", "-u", "admin", "-p", password, "localhost")
	return err
}

func (f composed) docker(args ...string) (string, error) {
	return testbed.Try(testbed.Command{Program: "docker", Args: args, Dir: f.dir, Env: f.d.env()})
}

func (f composed) push(t *testing.T, name string) {
	t.Helper()
	f.d.in(t, f.dir, string(image.Tree()), "import", "-", "localhost/"+name)
	f.d.in(t, f.dir, "", "push", "localhost/"+name)
}

// pull pulls an image that is not here any more.
func (f composed) pull(name string) error {
	_, _ = f.docker("rmi", "localhost/"+name) // it may be gone already
	_, err := f.docker("pull", "localhost/"+name)
	return err
}

// again does the same at most three times, as somebody at a keyboard would.
func again(do func() error) (err error) {
	for range 3 {
		if err = do(); err == nil {
			return nil
		}
	}
	return err
}

// restarts restarts one gate after the other, while a client pulls and logs in
// all the time: nothing goes wrong.
func (f composed) restarts(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, gate := range []string{"gate1", "gate2"} {
			_, err := testbed.Try(testbed.Command{
				Program: "docker-compose", Args: []string{"--project-directory", f.dir, "-f", filepath.Join(f.dir, "compose.yaml"), "restart", gate},
				Dir: f.dir, Env: f.d.env(),
			})
			if err != nil {
				t.Error(err)
			}
		}
	}()
	for n := 0; ; n++ {
		if err := f.pull("team/app:1"); err != nil {
			t.Errorf("pull %d: %v", n, err)
		}
		if err := f.login("change me"); err != nil {
			t.Errorf("login %d: %v", n, err)
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

// kills ends a gate and a registry as a power cut would. The same command again
// goes through, and what was pushed is there.
func (f composed) kills(t *testing.T) {
	f.compose(t, "kill", "gate1", "registry2")
	if err := again(func() error { return f.login("change me") }); err != nil {
		t.Error(err)
	}
	if err := again(func() error { return f.pull("team/app:1") }); err != nil {
		t.Error(err)
	}
	if err := again(func() error { f.push(t, "team/app:2"); return nil }); err != nil {
		t.Error(err)
	}
	f.compose(t, "up", "-d")
	f.compose(t, "kill", "gate2", "registry1")
	eventually(t, "the others have taken over", func() bool { return f.pull("team/app:2") == nil })
	f.compose(t, "up", "-d")
}

// withoutRedis has the gates go on with what they know.
func (f composed) withoutRedis(t *testing.T) {
	f.compose(t, "kill", "redis")
	for _, do := range []func() error{
		func() error { return f.login("change me") },
		func() error { return f.pull("team/app:1") },
		func() error { f.push(t, "team/app:3"); return f.pull("team/app:3") },
	} {
		if err := again(do); err != nil {
			t.Error(err)
		}
	}
	f.compose(t, "up", "-d")
	eventually(t, "the gates answer after it is back", func() bool { return f.login("change me") == nil })
}
