package client

import (
	"bytes"
	"path/filepath"
	"strings"

	"github.com/regate/regate/e2e/image"
)

// podman has its own store of images and gets the authority by --cert-dir.
type podman struct {
	program
	env   Env
	certs string
}

func newPodman(env Env) (Client, error) {
	certs, err := certDir(env)
	if err != nil {
		return nil, err
	}
	p, err := containersTool("podman", env, "--cgroup-manager", "cgroupfs")
	return &podman{p, env, certs}, err
}

// containersTool is what podman and buildah, which share a library, have in
// common: an own store, and a file of credentials, which must exist.
func containersTool(name string, env Env, more ...string) (program, error) {
	args := append([]string{
		"--root", filepath.Join(env.Home, "root"),
		"--runroot", filepath.Join(env.Home, "run"),
		"--storage-driver", "overlay",
	}, more...)
	auth, err := writeFile(env, "auth.json", "{}")
	return program{name: name, args: args, home: env.Home, env: []string{"REGISTRY_AUTH_FILE=" + auth}}, err
}

func (p *podman) ref(name string) string { return p.env.Host + "/" + name }

func (p *podman) Login(user, password string) error {
	_, err := p.feed(strings.NewReader(password),
		"login", "--cert-dir", p.certs, "-u", user, "--password-stdin", p.env.Host)
	return err
}

func (p *podman) Push(repo, tag string) (string, error) {
	ref := p.ref(repo + ":" + tag)
	if _, err := p.feed(bytes.NewReader(image.Tree()), "import", "-", ref); err != nil {
		return "", err
	}
	defer func() { _, _ = p.run("rmi", "-f", ref) }()
	return p.push("push", ref)
}

// push runs a command that pushes and writes the digest to a file.
func (p *podman) push(args ...string) (string, error) {
	file := filepath.Join(p.env.Home, "digest")
	if _, err := p.run(append(args, "--cert-dir", p.certs, "--digestfile", file)...); err != nil {
		return "", err
	}
	return readDigest(file)
}

func (p *podman) Pull(name string) (string, error) {
	ref := p.ref(name)
	if _, err := p.run("pull", "--quiet", "--cert-dir", p.certs, ref); err != nil {
		return "", err
	}
	out, err := p.run("image", "inspect", "--format", "{{.Digest}}", ref)
	if err != nil {
		return "", err
	}
	if _, err := p.run("rmi", "-f", ref); err != nil {
		return "", err
	}
	return lastDigest(out)
}

// Mount pushes under a second name what was pulled under the first. The layer
// is then known to be on that registry, and podman asks for a mount.
func (p *podman) Mount(from, to string) error {
	return p.steps(
		[]string{"pull", "--quiet", "--cert-dir", p.certs, p.ref(from)},
		[]string{"tag", p.ref(from), p.ref(to)},
		[]string{"push", "--cert-dir", p.certs, p.ref(to)},
		[]string{"rmi", "-f", p.ref(from), p.ref(to)},
	)
}

func (p *podman) PushIndex(repo, tag string) (string, error) {
	dir, err := scratch(p.env)
	if err != nil {
		return "", err
	}
	if _, err := image.Layout(dir, tag, image.Platforms()...); err != nil {
		return "", err
	}
	ref := p.ref(repo + ":" + tag)
	if err := p.steps(
		[]string{"manifest", "create", ref},
		[]string{"manifest", "add", "--all", ref, "oci:" + dir + ":" + tag},
	); err != nil {
		return "", err
	}
	defer func() { _, _ = p.run("manifest", "rm", ref) }()
	return p.push("manifest", "push", "--all", ref, "docker://"+ref)
}
