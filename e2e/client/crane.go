package client

import (
	"path/filepath"
	"runtime"

	"github.com/regate/regate/e2e/image"
)

// crane has no option for an authority; like any Go program it reads
// SSL_CERT_FILE in place of the system's.
type crane struct {
	program
	env Env
}

func newCrane(env Env) (Client, error) {
	p := program{name: "crane", home: env.Home, env: []string{"DOCKER_CONFIG=" + filepath.Join(env.Home, "docker")}}
	if env.CA != "" {
		p.env = append(p.env, "SSL_CERT_FILE="+env.CA)
	}
	return &crane{p, env}, nil
}

func (c *crane) ref(name string) string { return c.env.Host + "/" + name }

// Login is verified by no request of crane's own.
func (c *crane) Login(user, password string) error {
	_, err := c.run("auth", "login", "-u", user, "-p", password, c.env.Host)
	return err
}

func (c *crane) Push(repo, tag string) (string, error) {
	return c.push(repo+":"+tag, runtime.GOARCH)
}

// PushIndex pushes an image for each platform and then the index over them.
func (c *crane) PushIndex(repo, tag string) (string, error) {
	args := []string{"index", "append", "--tag", c.ref(repo + ":" + tag)}
	for _, arch := range image.Platforms() {
		name := repo + ":" + tag + "-" + arch
		if _, err := c.push(name, arch); err != nil {
			return "", err
		}
		args = append(args, "--manifest", c.ref(name))
	}
	out, err := c.run(args...)
	if err != nil {
		return "", err
	}
	return lastDigest(out)
}

func (c *crane) push(name, arch string) (string, error) {
	dir, err := scratch(c.env)
	if err != nil {
		return "", err
	}
	digest, err := image.Layout(dir, "pushed", arch)
	if err != nil {
		return "", err
	}
	_, err = c.run("push", dir, c.ref(name))
	return digest, err
}

func (c *crane) Pull(name string) (string, error) {
	dir, err := scratch(c.env)
	if err != nil {
		return "", err
	}
	if _, err := c.run("pull", "--format", "oci", c.ref(name), dir); err != nil {
		return "", err
	}
	return image.Top(dir)
}

func (c *crane) Delete(repo, digest string) error {
	_, err := c.run("delete", c.ref(repo+"@"+digest))
	return err
}

// Mount copies within the registry, which crane does by mounting.
func (c *crane) Mount(from, to string) error {
	_, err := c.run("copy", c.ref(from), c.ref(to))
	return err
}
