package client

import (
	"path/filepath"
	"runtime"
	"strings"

	"github.com/regate/regate/e2e/image"
)

// skopeo copies between places; here, image layouts and the registry.
type skopeo struct {
	program
	env   Env
	certs string
}

func newSkopeo(env Env) (Client, error) {
	certs, err := certDir(env)
	if err != nil {
		return nil, err
	}
	auth := "REGISTRY_AUTH_FILE=" + filepath.Join(env.Home, "auth.json")
	p := program{name: "skopeo", home: env.Home, env: []string{auth}}
	return &skopeo{p, env, certs}, nil
}

func (s *skopeo) ref(name string) string { return "docker://" + s.env.Host + "/" + name }

func (s *skopeo) Login(user, password string) error {
	_, err := s.feed(strings.NewReader(password),
		"login", "--cert-dir", s.certs, "-u", user, "--password-stdin", s.env.Host)
	return err
}

func (s *skopeo) Push(repo, tag string) (string, error) {
	dir, err := scratch(s.env)
	if err != nil {
		return "", err
	}
	if _, err := image.Layout(dir, tag, runtime.GOARCH); err != nil {
		return "", err
	}
	file := filepath.Join(s.env.Home, "digest")
	if _, err := s.run("copy", "--dest-cert-dir", s.certs, "--digestfile", file,
		"oci:"+dir+":"+tag, s.ref(repo+":"+tag)); err != nil {
		return "", err
	}
	return readDigest(file)
}

func (s *skopeo) Pull(name string) (string, error) {
	dir, err := scratch(s.env)
	if err != nil {
		return "", err
	}
	if _, err := s.run("copy", "--src-cert-dir", s.certs, s.ref(name), "oci:"+dir+":pulled"); err != nil {
		return "", err
	}
	return image.Top(dir)
}

func (s *skopeo) Delete(repo, digest string) error {
	_, err := s.run("delete", "--cert-dir", s.certs, s.ref(repo+"@"+digest))
	return err
}
