package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/image"
	"github.com/regate/regate/e2e/testbed"
	"github.com/regate/regate/e2e/tool"
)

// compose starts what is in deploy/compose, as the page there says, with the
// image regate that the engine has; then somebody logs in, pushes and pulls.
func (d docker) compose(t *testing.T) {
	d.importRegistry(t)
	dir := composeFolder(t)
	up := []string{"--project-directory", dir, "-f", filepath.Join(dir, "compose.yaml")}
	run := func(args ...string) string {
		return testbed.Run(t, testbed.Command{Program: "docker-compose", Args: append(up, args...), Dir: dir, Env: d.env()})
	}
	run("up", "-d")
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(run("logs", "--no-color"))
		}
		run("down", "--volumes", "--timeout", "1")
	})

	testbed.Await(t, func() error { return d.try("login", "-u", "admin", "-p", "change me", "localhost") })
	testbed.Run(t, testbed.Command{Program: "docker", Args: []string{"import", "-", "localhost/try/image:1"},
		Dir: testbed.Dir(t), Env: d.env(), Stdin: string(image.Tree())})
	d.run(t, "push", "localhost/try/image:1")
	d.run(t, "rmi", "localhost/try/image:1")
	d.run(t, "pull", "localhost/try/image:1")

	if err := d.try("run", "--rm", "--network", "compose_default", "--entrypoint", "/registry", "registry:3", "--version"); err != nil {
		t.Errorf("the network of the registry: %v", err)
	}
	if logs := run("logs", "--no-color", "gate"); !strings.Contains(logs, `"op":"put_manifest"`) {
		t.Errorf("the push did not go through the gate:\n%s", logs)
	}
}

// try is run for what may yet fail.
func (d docker) try(args ...string) error {
	path, err := tool.Path("docker")
	if err != nil {
		return err
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(tool.Environ("/tmp"), d.env()...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("docker %s: %w: %s", args[0], err, out)
	}
	return nil
}

// importRegistry gives the engine a stand-in for Docker Hub's registry:3, which
// no test may pull: the same program with the same folders.
func (d docker) importRegistry(t *testing.T) {
	t.Helper()
	tree, archive := testbed.Dir(t), filepath.Join(testbed.Dir(t), "registry.tar")
	program, err := tool.Path("registry")
	if err != nil {
		t.Fatal(err)
	}
	testbed.Run(t, testbed.Command{Program: "cp", Args: []string{program, filepath.Join(tree, "registry")}, Dir: testbed.Dir(t)})
	const config = "version: 0.1\nstorage: {filesystem: {rootdirectory: /var/lib/registry}}\nhttp: {addr: \":5000\"}\n"
	if err := os.WriteFile(filepath.Join(tree, "config.yml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	testbed.Run(t, testbed.Command{Program: "tar", Args: []string{"-C", tree, "-cf", archive, "."}, Dir: testbed.Dir(t)})
	d.run(t, "import", "-c", `ENTRYPOINT ["/registry"]`, "-c", `CMD ["serve", "/config.yml"]`, archive, "registry:3")
}

// composeFolder is a copy of deploy/compose with the .env that its page asks for.
func composeFolder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(testbed.Dir(t), "compose")
	testbed.Run(t, testbed.Command{Program: "cp", Args: []string{"-r", filepath.Join(tool.Root(), "deploy", "compose"), dir}, Dir: testbed.Dir(t)})
	testbed.Run(t, testbed.Command{Program: "chmod", Args: []string{"-R", "a+rX", filepath.Dir(dir)}, Dir: testbed.Dir(t)})
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte("REGISTRY_HTTP_SECRET=0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}
