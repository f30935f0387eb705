package client

import (
	"bytes"
	"path/filepath"
	"strings"

	"github.com/regate/regate/e2e/image"
)

// docker is the command line of docker with its engine. The engine finds the
// authority in /etc/docker/certs.d, which it reads at every request.
type docker struct {
	program
	host string
}

func newDocker(env Env) (Client, error) {
	if env.CA != "" {
		if err := trust(env, filepath.Join("/etc/docker/certs.d", env.Host)); err != nil {
			return nil, err
		}
	}
	config := "DOCKER_CONFIG=" + filepath.Join(env.Home, "docker")
	p := program{name: "docker", home: env.Home, env: []string{"DOCKER_HOST=" + env.Docker, config}}
	return &docker{p, env.Host}, nil
}

func (d *docker) ref(name string) string { return d.host + "/" + name }

func (d *docker) Login(user, password string) error {
	_, err := d.feed(strings.NewReader(password), "login", "-u", user, "--password-stdin", d.host)
	return err
}

func (d *docker) Push(repo, tag string) (string, error) {
	ref := d.ref(repo + ":" + tag)
	if _, err := d.feed(bytes.NewReader(image.Tree()), "import", "-", ref); err != nil {
		return "", err
	}
	defer func() { _, _ = d.run("rmi", "-f", ref) }()
	out, err := d.run("push", ref)
	if err != nil {
		return "", err
	}
	return lastDigest(out)
}

func (d *docker) Pull(name string) (string, error) {
	ref := d.ref(name)
	out, err := d.run("pull", ref)
	if err != nil {
		return "", err
	}
	if _, err := d.run("rmi", "-f", ref); err != nil {
		return "", err
	}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "Digest: ") {
			return lastDigest(line)
		}
	}
	return lastDigest("")
}
