package client

import (
	"crypto/rand"
	"fmt"
	"path"
	"path/filepath"
	"strings"
)

// helm pushes charts as OCI artifacts: the last part of a repository is the
// name of the chart, the tag its version.
type helm struct {
	program
	env Env
	ca  []string
}

func newHelm(env Env) (Client, error) {
	h := &helm{env: env, program: program{name: "helm", home: env.Home, env: []string{
		"HELM_REGISTRY_CONFIG=" + filepath.Join(env.Home, "registry.json"),
		"HELM_CACHE_HOME=" + filepath.Join(env.Home, "cache"),
		"HELM_CONFIG_HOME=" + filepath.Join(env.Home, "config"),
		"HELM_DATA_HOME=" + filepath.Join(env.Home, "data"),
	}}}
	if env.CA != "" {
		h.ca = []string{"--ca-file", env.CA}
	}
	return h, nil
}

// remote runs a command that talks to the registry.
func (h *helm) remote(stdin string, args ...string) (string, error) {
	return h.feed(strings.NewReader(stdin), append(args, h.ca...)...)
}

func (h *helm) Login(user, password string) error {
	_, err := h.remote(password, "registry", "login", h.env.Host, "-u", user, "--password-stdin")
	return err
}

func (h *helm) Push(repo, tag string) (string, error) {
	name := path.Base(repo)
	chart := fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %s\ndescription: %s\n", name, tag, rand.Text())
	if _, err := writeFile(h.env, filepath.Join(name, "Chart.yaml"), chart); err != nil {
		return "", err
	}
	if _, err := h.run("package", name); err != nil {
		return "", err
	}
	out, err := h.remote("", "push", name+"-"+tag+".tgz", "oci://"+h.env.Host+"/"+path.Dir(repo))
	if err != nil {
		return "", err
	}
	return lastDigest(out)
}

func (h *helm) Pull(ref string) (string, error) {
	dir, err := scratch(h.env)
	if err != nil {
		return "", err
	}
	repo, tag, digest := splitRef(ref)
	chart := []string{"oci://" + h.env.Host + "/" + repo, "--version", tag}
	if digest != "" {
		chart = []string{"oci://" + h.env.Host + "/" + ref}
	}
	out, err := h.remote("", append([]string{"pull", "--destination", dir}, chart...)...)
	if err != nil {
		return "", err
	}
	return lastDigest(out)
}
