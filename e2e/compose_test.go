package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/regate/regate/e2e/image"
	"github.com/regate/regate/e2e/testbed"
	"github.com/regate/regate/e2e/tool"
)

// testCompose does what deploy/compose/README.md says, with the file as it is.
func testCompose(t *testing.T, d docker) {
	d.importRegistry(t)
	dir := testbed.Dir(t)
	for _, name := range []string{"compose.yaml", "regate.yaml"} {
		text, err := os.ReadFile(filepath.Join(tool.Root(), "deploy", "compose", name))
		if err != nil {
			t.Fatal(err)
		}
		// The user of the image reads it, whatever the umask here is.
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	env := []byte("REGISTRY_HTTP_SECRET=0123456789abcdef\n")
	if err := os.WriteFile(filepath.Join(dir, ".env"), env, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	compose := func(args ...string) string {
		return testbed.Run(t, testbed.Command{
			Program: "docker-compose", Args: append([]string{"--project-directory", dir, "-f", filepath.Join(dir, "compose.yaml")}, args...),
			Dir: dir, Env: d.env(),
		})
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(compose("logs"))
		}
		compose("down", "--volumes", "--timeout", "5")
	})
	compose("up", "-d")

	eventually(t, "the gate answers at https://localhost", func() bool {
		_, err := testbed.Try(testbed.Command{
			Program: "docker", Args: []string{"login", "-u", "admin", "-p", "change me", "localhost"}, Dir: dir, Env: d.env(),
		})
		return err == nil
	})
	d.in(t, dir, string(image.Tree()), "import", "-", "localhost/team/app:1")
	d.in(t, dir, "", "push", "localhost/team/app:1")
	d.in(t, dir, "", "rmi", "localhost/team/app:1")
	d.in(t, dir, "", "pull", "localhost/team/app:1")
	fetchPlain(t, "http://localhost/.well-known/regate/ca.crt")
}

// importRegistry gives the engine a stand-in for Docker Hub's registry:3: the
// same program, started in the same way.
func (d docker) importRegistry(t testing.TB) {
	t.Helper()
	program, err := tool.Path("registry")
	if err != nil {
		t.Fatal(err)
	}
	tree := testbed.Dir(t)
	for _, sub := range []string{"bin", "etc/distribution", "var/lib/registry", "tmp"} {
		if err := os.MkdirAll(filepath.Join(tree, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	config := "version: 0.1\nstorage: {filesystem: {rootdirectory: /var/lib/registry}}\nhttp: {addr: \":5000\"}\n"
	if err := os.WriteFile(filepath.Join(tree, "etc/distribution/config.yml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	testbed.Run(t, testbed.Command{Program: "cp", Args: []string{program, filepath.Join(tree, "bin")}, Dir: testbed.Dir(t)})
	d.importTree(t, tree, "registry:3",
		"-c", `ENTRYPOINT ["/bin/registry"]`, "-c", `CMD ["serve", "/etc/distribution/config.yml"]`,
		"-c", "VOLUME /var/lib/registry", "-c", "EXPOSE 5000")
}
