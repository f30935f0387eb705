package client

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/regate/regate/e2e/image"
)

// regctl keeps authorities and credentials of each registry in its configuration.
type regctl struct {
	program
	env Env
}

func newRegctl(env Env) (Client, error) {
	config := "REGCTL_CONFIG=" + filepath.Join(env.Home, "regctl.json")
	r := &regctl{program{name: "regctl", home: env.Home, env: []string{config}}, env}
	if env.CA == "" {
		return r, nil
	}
	ca, err := os.ReadFile(env.CA)
	if err != nil {
		return nil, err
	}
	_, err = r.run("registry", "set", "--skip-check", "--cacert", string(ca), env.Host)
	return r, err
}

func (r *regctl) ref(name string) string { return r.env.Host + "/" + name }

func (r *regctl) Login(user, password string) error {
	_, err := r.feed(strings.NewReader(password), "registry", "login", "-u", user, "--pass-stdin", r.env.Host)
	return err
}

func (r *regctl) Push(repo, tag string) (string, error) {
	dir, err := scratch(r.env)
	if err != nil {
		return "", err
	}
	digest, err := image.Layout(dir, tag, runtime.GOARCH)
	if err != nil {
		return "", err
	}
	_, err = r.run("image", "copy", "ocidir://"+dir+":"+tag, r.ref(repo+":"+tag))
	return digest, err
}

func (r *regctl) Pull(name string) (string, error) {
	dir, err := scratch(r.env)
	if err != nil {
		return "", err
	}
	if _, err := r.run("image", "copy", r.ref(name), "ocidir://"+dir+":pulled"); err != nil {
		return "", err
	}
	return image.Top(dir)
}

func (r *regctl) Delete(repo, digest string) error {
	_, err := r.run("manifest", "delete", r.ref(repo+"@"+digest))
	return err
}
