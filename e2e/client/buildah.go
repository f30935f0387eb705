package client

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/regate/regate/e2e/image"
)

// buildah builds the image it pushes.
type buildah struct {
	program
	env   Env
	certs string
}

func newBuildah(env Env) (Client, error) {
	certs, err := certDir(env)
	if err != nil {
		return nil, err
	}
	p, err := containersTool("buildah", env)
	return &buildah{p, env, certs}, err
}

func (b *buildah) ref(name string) string { return b.env.Host + "/" + name }

func (b *buildah) Login(user, password string) error {
	_, err := b.feed(strings.NewReader(password),
		"login", "--cert-dir", b.certs, "-u", user, "--password-stdin", b.env.Host)
	return err
}

func (b *buildah) Push(repo, tag string) (string, error) {
	ref := b.ref(repo + ":" + tag)
	if err := b.build(ref); err != nil {
		return "", err
	}
	file := filepath.Join(b.env.Home, "digest")
	if err := b.steps(
		[]string{"push", "--cert-dir", b.certs, "--digestfile", file, ref},
		[]string{"rmi", "-f", ref},
	); err != nil {
		return "", err
	}
	return readDigest(file)
}

func (b *buildah) build(ref string) error {
	content := filepath.Join(b.env.Home, "content")
	if err := os.WriteFile(content, image.Tree(), 0o644); err != nil {
		return err
	}
	out, err := b.run("from", "scratch")
	if err != nil {
		return err
	}
	container := strings.TrimSpace(out)
	return b.steps(
		[]string{"copy", "--quiet", container, content, "/content"},
		[]string{"commit", "--quiet", "--rm", container, ref},
	)
}

func (b *buildah) Pull(name string) (string, error) {
	ref := b.ref(name)
	if _, err := b.run("pull", "--quiet", "--cert-dir", b.certs, ref); err != nil {
		return "", err
	}
	out, err := b.run("images", "--format", "{{.Digest}}", ref)
	if err != nil {
		return "", err
	}
	if _, err := b.run("rmi", "-f", ref); err != nil {
		return "", err
	}
	return lastDigest(out)
}
