package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
	"github.com/regate/regate/e2e/tool"
)

// TestDockerfile builds the images as people do, without a network, and runs
// them: the gate with every privilege taken away, and the compose file.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	d := docker{host: testbed.StartDocker(t)}
	d.importGolang(t)
	d.run(t, "build", "--network", "none", "-t", "regate", tool.Root())
	d.run(t, "build", "--network", "none", "-t", "regate-standalone", "--target", "standalone", tool.Root())
	t.Run("version", func(t *testing.T) {
		if out := d.run(t, "run", "--rm", "--network", "none", "regate", "version"); !strings.Contains(out, "dev") {
			t.Errorf("regate version = %q, want the default of the build argument", out)
		}
	})
	t.Run("hardened", func(t *testing.T) { testHardened(t, d) })
	t.Run("standalone", func(t *testing.T) { testStandaloneImage(t, d) })
	t.Run("compose", func(t *testing.T) { testCompose(t, d) })
}

func testHardened(t *testing.T, d docker) {
	s := prepareSite(t, modes[0], testbed.Registry3, engines{})
	id := s.inContainer(t, d)
	crane := s.client(t, "crane")
	if err := crane.Login("dev", devPassword); err != nil {
		t.Fatal(err)
	}
	digest, err := crane.Push("team/app", version)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := crane.Pull("team/app:" + version); err != nil || got != digest {
		t.Errorf("pull = %s, %v, want %s", got, err, digest)
	}
	if all := d.run(t, "top", id); !strings.Contains(all, "regate: compares passwords") {
		t.Errorf("nobody compares passwords beside the gate: %s", all)
	}
}

// testStandaloneImage starts the other image with nothing but its defaults.
func testStandaloneImage(t *testing.T, d docker) {
	id := strings.TrimSpace(d.run(t, "run", "--detach", "--network", "host", "--cap-drop", "ALL", "regate-standalone"))
	defer d.run(t, "rm", "--force", id)
	eventually(t, "it is ready", func() bool {
		return strings.Contains(d.run(t, "logs", id), "regate is ready on https://localhost:8443")
	})
}

// docker is the command line with an engine of the test's own.
type docker struct{ host string }

func (d docker) env() []string {
	config := filepath.Join(filepath.Dir(strings.TrimPrefix(d.host, "unix://")), "config")
	return []string{"DOCKER_HOST=" + d.host, "DOCKER_CONFIG=" + config, "DOCKER_BUILDKIT=1"}
}

func (d docker) run(t testing.TB, args ...string) string {
	t.Helper()
	return d.in(t, testbed.Dir(t), "", args...)
}

// in runs docker with a home, which keeps its logins.
func (d docker) in(t testing.TB, home, stdin string, args ...string) string {
	t.Helper()
	return testbed.Run(t, testbed.Command{Program: "docker", Args: args, Dir: home, Env: d.env(), Stdin: stdin})
}

// importGolang gives the engine a stand-in for the image that the Dockerfile
// builds from, under its name.
func (d docker) importGolang(t testing.TB) {
	t.Helper()
	d.importTree(t, testbed.GolangTree(t), "golang:1.26-bookworm",
		"-c", "ENV PATH=/usr/local/go/bin:/bin GOPROXY=file:///modules GOSUMDB=off GOTOOLCHAIN=local GOCACHE=/cache HOME=/tmp")
}

// importTree makes an image of a file tree.
func (d docker) importTree(t testing.TB, tree, name string, changes ...string) {
	t.Helper()
	archive := filepath.Join(testbed.Dir(t), "tree.tar")
	testbed.Run(t, testbed.Command{Program: "tar", Args: []string{"-C", tree, "-cf", archive, "."}, Dir: testbed.Dir(t)})
	d.run(t, append(append([]string{"import"}, changes...), archive, name)...)
	if err := os.RemoveAll(archive); err != nil {
		t.Fatal(err)
	}
}

// inContainer starts the gate of the site as a container, and returns its id.
func (s *site) inContainer(t testing.TB, d docker) (id string) {
	t.Helper()
	files := filepath.Dir(s.gate.File)
	// The user of the image has to read what the tests have written for root.
	testbed.Run(t, testbed.Command{Program: "chown", Args: []string{"-R", "65532:65532", files, filepath.Dir(s.gate.CA.File)}, Dir: testbed.Dir(t)})
	id = strings.TrimSpace(d.run(t, "run", "--detach",
		"--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
		"--network", "host", "--memory", "256m",
		"--volume", files+":"+files, "--volume", filepath.Dir(s.gate.CA.File)+":"+filepath.Dir(s.gate.CA.File)+":ro",
		"regate", "serve", "-c", s.gate.File))
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(d.run(t, "logs", id))
		}
		d.run(t, "rm", "--force", id)
	})
	s.gate.AwaitReady(t)
	return id
}
