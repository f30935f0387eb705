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
	return c.push(repo+":"+tag, []string{runtime.GOARCH})
}

func (c *crane) PushIndex(repo, tag string) (string, error) {
	return c.push(repo+":"+tag, image.Platforms(), "--index")
}

func (c *crane) push(name string, architectures []string, options ...string) (string, error) {
	dir, err := scratch(c.env)
	if err != nil {
		return "", err
	}
	digest, err := image.Layout(dir, "pushed", architectures...)
	if err != nil {
		return "", err
	}
	if len(options) > 0 { // an index is found inside the one of the layout
		options = append(options, "--platform", "all")
	}
	out, err := c.run(append([]string{"push", dir, c.ref(name)}, options...)...)
	if err != nil {
		return "", err
	}
	if len(options) > 0 {
		return lastDigest(out)
	}
	return digest, nil
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
