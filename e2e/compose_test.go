package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"github.com/regate/regate/e2e/image"
	"github.com/regate/regate/e2e/testbed"
	"github.com/regate/regate/e2e/tool"
)

// ports443and80 is held by whoever has them published for all addresses.
var ports443and80 sync.Mutex

// testCompose does what deploy/compose/README.md says, with the file as it is.
func testCompose(t *testing.T, d docker) {
	d.importRegistry(t)
	dir := testbed.Dir(t)
	if err := os.Mkdir(filepath.Join(dir, "config"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"compose.yaml", "config/regate.yaml"} {
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
	ports443and80.Lock()
	t.Cleanup(ports443and80.Unlock)
	t.Cleanup(func() {
		logs := compose("logs")
		testbed.Said(t, logs)
		if t.Failed() {
			t.Log(logs)
		}
		compose("down", "--volumes", "--timeout", "5")
	})
	compose("up", "-d")

	login := func(password string) error {
		_, err := testbed.Try(testbed.Command{
			Program: "docker", Args: []string{"login", "-u", "admin", "-p", password, "localhost"}, Dir: dir, Env: d.env(),
		})
		return err
	}
	eventually(t, "the gate answers at https://localhost", func() bool { return login("change me") == nil })
	d.in(t, dir, string(image.Tree()), "import", "-", "localhost/team/app:1")
	d.in(t, dir, "", "push", "localhost/team/app:1")
	d.in(t, dir, "", "rmi", "localhost/team/app:1")
	d.in(t, dir, "", "pull", "localhost/team/app:1")
	fetchPlain(t, "http://localhost/.well-known/regate/ca.crt")
	changePassword(t, filepath.Join(dir, "config", "regate.yaml"), "another-password")
	eventually(t, "the new password is in force", func() bool { return login("another-password") == nil })
	if login("change me") == nil {
		t.Error("the old password is in force as well")
	}
}

// hash is a bcrypt hash in a configuration.
var hash = regexp.MustCompile(`\$2[aby]\$[./0-9A-Za-z$]+`)

// changePassword puts another file in the place of the old one, as editors do.
func changePassword(t *testing.T, path, password string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text = hash.ReplaceAllLiteral(text, []byte(testbed.Bcrypt(t, password)))
	if err := os.WriteFile(path+".new", text, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
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
