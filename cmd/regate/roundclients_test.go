//go:build clients

package main

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// A roundClient is a program of people that has logged in once.
type roundClient interface {
	pull(ref string) error
	push(ref string) error
}

// layers returns a tar with one random file, which no registry has yet.
func layers() string {
	content := make([]byte, 64<<10)
	_, _ = rand.Read(content) // never fails, by its documentation
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	_ = w.WriteHeader(&tar.Header{Name: "content", Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg})
	_, _ = w.Write(content)
	_ = w.Close() // a buffer takes everything
	return buf.String()
}

// dockerCLI is docker with an engine of its own.
type dockerCLI struct {
	program
	config string // file with its logins
}

func newDocker(t *testing.T, host, ca string) *dockerCLI {
	t.Helper()
	home := folder(t, "docker")
	put(t, "/etc/docker/certs.d/"+host+"/ca.crt", ca)
	engine := "unix://" + home + "/sock"
	d := &dockerCLI{program{"docker", []string{"--host", engine, "--config", home + "/config"}, environ(home)}, home + "/config/config.json"}
	ready := func() error { _, err := d.run("", "version"); return err }
	startServer(t, home, ready, "dockerd", "--host", engine, "--data-root", home+"/data", "--exec-root", home+"/exec",
		"--pidfile", home+"/pid", "--storage-driver", "overlay2", "--iptables=false", "--ip6tables=false", "--bridge=none")
	return d
}

// identityToken is what docker has kept of its login to host in place of the
// password, which it has not kept.
func (d *dockerCLI) identityToken(t *testing.T, host string) string {
	t.Helper()
	var config struct {
		Auths map[string]struct{ Auth, IdentityToken string }
	}
	text, err := os.ReadFile(d.config)
	if err == nil {
		err = json.Unmarshal(text, &config)
	}
	if err != nil || config.Auths[host].IdentityToken == "" {
		t.Fatalf("docker login has kept %+v (%v), want an identity token", config.Auths, err)
	}
	return config.Auths[host].IdentityToken
}

func (d *dockerCLI) pull(ref string) error {
	return d.steps([]string{"pull", ref}, []string{"rmi", "--force", ref})
}

func (d *dockerCLI) push(ref string) error {
	if _, err := d.run(layers(), "import", "-", ref); err != nil {
		return err
	}
	return d.steps([]string{"push", ref}, []string{"rmi", "--force", ref})
}

// ctr is the command line of containerd, which keeps no logins: they come with
// each command.
type ctr struct {
	program
	login []string
	from  string // what it pushes under another name
}

// startContainerd starts an engine that trusts the CA in a file for host.
func startContainerd(t *testing.T, host, ca string) (engine program, options []string) {
	t.Helper()
	home := folder(t, "containerd")
	put(t, home+"/hosts/"+host+"/hosts.toml", "server = \"https://"+host+"\"\n[host.\"https://"+host+"\"]\n"+
		"  capabilities = [\"pull\", \"resolve\", \"push\"]\n  ca = \""+ca+"\"\n")
	put(t, home+"/config.toml", "version = 2\nroot = \""+home+"/root\"\nstate = \""+home+"/run\"\n[grpc]\n  address = \""+home+"/sock\"\n"+
		"disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n")
	engine = program{"ctr", []string{"--address", home + "/sock"}, environ(home)}
	ready := func() error { _, err := engine.run("", "version"); return err }
	startServer(t, home, ready, "containerd", "--config", home+"/config.toml")
	return engine, []string{"--hosts-dir", home + "/hosts"}
}

func (c *ctr) images(verb string, refs ...string) []string {
	return append(append([]string{"images", verb}, c.login...), refs...)
}

func (c *ctr) pull(ref string) error {
	return c.steps(c.images("pull", ref), []string{"images", "rm", "--sync", ref})
}

func (c *ctr) push(ref string) error {
	return c.steps(c.images("pull", c.from), []string{"images", "tag", c.from, ref}, c.images("push", ref),
		[]string{"images", "rm", "--sync", c.from, ref})
}

// podman has a store of its own, and its logins in a file as docker's.
type podman struct {
	program
	home  string
	certs string // folder with the CA
}

func newPodman(t *testing.T, name, ca string) *podman {
	t.Helper()
	home := folder(t, name)
	put(t, home+"/certs/ca.crt", ca)
	args := []string{"--root", home + "/root", "--runroot", home + "/run", "--storage-driver", "overlay", "--cgroup-manager", "cgroupfs"}
	return &podman{program{"podman", args, environ(home, "REGISTRY_AUTH_FILE="+home+"/config.json")}, home, filepath.Join(home, "certs")}
}

func (p *podman) pull(ref string) error {
	return p.steps([]string{"pull", "--quiet", "--cert-dir", p.certs, ref}, []string{"rmi", "--force", ref})
}

func (p *podman) push(ref string) error {
	if _, err := p.run(layers(), "import", "--quiet", "-", ref); err != nil {
		return err
	}
	return p.steps([]string{"push", "--cert-dir", p.certs, ref}, []string{"rmi", "--force", ref})
}
