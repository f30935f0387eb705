package client

import (
	"bytes"
	"fmt"
	"path/filepath"
	"runtime"

	"github.com/regate/regate/e2e/image"
)

// ctr is the command line of containerd. It has no login: credentials go with
// each command. The authority is named in a hosts.toml.
type ctr struct {
	program
	env   Env
	login []string
}

func newCtr(env Env) (Client, error) {
	toml := fmt.Sprintf("server = %[1]q\n[host.%[1]q]\n  capabilities = [\"pull\", \"resolve\", \"push\"]\n", "https://"+env.Host)
	if env.CA != "" {
		toml += fmt.Sprintf("  ca = %q\n", env.CA)
	}
	if env.Cert != "" {
		toml += fmt.Sprintf("  client = [[%q, %q]]\n", env.Cert, env.Key)
	}
	if env.Namespace == "" {
		env.Namespace = env.Host
	}
	if _, err := writeFile(env, filepath.Join("hosts", env.Namespace, "hosts.toml"), toml); err != nil {
		return nil, err
	}
	// A namespace of its own keeps clients apart that share the engine.
	args := []string{"--address", env.Containerd, "--namespace", filepath.Base(env.Home)}
	return &ctr{program: program{name: "ctr", args: args, home: env.Home}, env: env}, nil
}

func (c *ctr) ref(name string) string { return c.env.Namespace + "/" + name }

// Login cannot be refused: the first command that needs a token finds out.
func (c *ctr) Login(user, password string) error {
	c.login = []string{"--user", user + ":" + password}
	return nil
}

// images runs a command that talks to the registry.
func (c *ctr) images(verb string, args ...string) error {
	options := append([]string{"images", verb, "--hosts-dir", filepath.Join(c.env.Home, "hosts")}, c.login...)
	_, err := c.run(append(options, args...)...)
	return err
}

func (c *ctr) Push(repo, tag string) (string, error) {
	return c.push(repo, tag, []string{runtime.GOARCH})
}

func (c *ctr) PushIndex(repo, tag string) (string, error) {
	return c.push(repo, tag, image.Platforms())
}

func (c *ctr) push(repo, tag string, architectures []string) (string, error) {
	dir, err := scratch(c.env)
	if err != nil {
		return "", err
	}
	digest, err := image.Layout(dir, tag, architectures...)
	if err != nil {
		return "", err
	}
	archive, err := image.Archive(dir)
	if err != nil {
		return "", err
	}
	if _, err := c.feed(bytes.NewReader(archive), "images", "import",
		"--base-name", c.ref(repo), "--all-platforms", "--no-unpack", "-"); err != nil {
		return "", err
	}
	defer c.forget(c.ref(repo + ":" + tag))
	return digest, c.images("push", c.ref(repo+":"+tag))
}

func (c *ctr) forget(refs ...string) {
	_, _ = c.run(append([]string{"images", "rm", "--sync"}, refs...)...)
}

func (c *ctr) Pull(name string) (string, error) {
	ref := c.ref(name)
	if err := c.images("pull", ref); err != nil {
		return "", err
	}
	defer c.forget(ref)
	out, err := c.run("images", "ls", "name=="+ref)
	if err != nil {
		return "", err
	}
	return lastDigest(out[len("REF"):])
}

// Mount pushes under a second name what was pulled under the first. containerd
// remembers where its content came from and asks for a mount.
func (c *ctr) Mount(from, to string) error {
	defer c.forget(c.ref(from), c.ref(to))
	if err := c.images("pull", c.ref(from)); err != nil {
		return err
	}
	if _, err := c.run("images", "tag", c.ref(from), c.ref(to)); err != nil {
		return err
	}
	return c.images("push", c.ref(to))
}
