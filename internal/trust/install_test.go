package trust

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// A machine is a directory that stands for /.
type machine struct {
	dir  string
	root *os.Root
}

func newMachine(t *testing.T) machine {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return machine{dir, root}
}

func (m machine) put(t *testing.T, path, content string) {
	t.Helper()
	at := filepath.Join(m.dir, path)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// tree is all files, as path → content.
func (m machine) tree(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(m.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, m.dir)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func states(all []Outcome) []State {
	var s []State
	for _, o := range all {
		s = append(s, o.State)
	}
	return s
}

func TestInstallTwice(t *testing.T) {
	m := newMachine(t)
	c := containerd(host(t, "a.example:5000"), string(Bundle{issue(t, "Root", nil, nil).Certificate}.PEM()))
	old := syscall.Umask(0o077) // as root's may be
	first, err := Install(m.root, c)
	syscall.Umask(old)
	if err != nil || !slices.Equal(states(first), []State{Written, Written}) {
		t.Fatalf("first: %v, %v", first, err)
	}
	tree := m.tree(t)
	if len(tree) != 2 {
		t.Errorf("files: %v, want two, and no leavings", tree)
	}
	for _, f := range c.Files {
		if tree[f.Path] != f.Content {
			t.Errorf("%s:\n%s\nwant\n%s", f.Path, tree[f.Path], f.Content)
		}
		mode(t, m.dir+f.Path, 0o644)
	}
	for _, dir := range []string{"/etc", "/etc/containerd", "/etc/containerd/certs.d", "/etc/containerd/certs.d/a.example:5000"} {
		mode(t, m.dir+dir, 0o755)
	}
	again, err := Install(m.root, c)
	if err != nil || !slices.Equal(states(again), []State{Present, Present}) {
		t.Errorf("second: %v, %v", again, err)
	}
}

func mode(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
		t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
	}
}

// TestInstallBeside is about files that are there before.
func TestInstallBeside(t *testing.T) {
	t.Parallel()
	one, two := Bundle{issue(t, "One", nil, nil).Certificate}, Bundle{issue(t, "Two", nil, nil).Certificate}
	h := host(t, "a.example")
	ca := string(one.PEM())
	const certs, yaml = "/etc/docker/certs.d/a.example/ca.crt", "/etc/rancher/k3s/registries.yaml"
	k3s := rancher(h, ca, "k3s", "k3s")
	for _, tt := range []struct {
		name    string
		c       Client
		path    string // of what is there
		have    string
		want    []State
		wantErr string
		keeps   bool // what is there stays as it is
	}{
		{name: "the same in other words", c: docker(h, ca), path: certs, have: "# ours\n" + ca, want: []State{Present}, keeps: true},
		{name: "it and the former one", c: docker(h, ca), path: certs, have: string(two.PEM()) + ca, want: []State{Present}, keeps: true},
		{name: "the next CA comes beside it", c: docker(h, ca+string(two.PEM())), path: certs, have: ca, want: []State{Written}},
		{name: "another CA", c: docker(h, ca), path: certs, have: string(two.PEM()), wantErr: "another CA (Two, " + Fingerprint(two[0]), keeps: true},
		{name: "no certificate", c: docker(h, ca), path: certs, have: "mine", wantErr: "holds no certificate: move it away", keeps: true},
		{name: "an empty file", c: docker(h, ca), path: certs, have: "", wantErr: "holds no certificate: move it away", keeps: true},
		{name: "settings of others", c: k3s, path: yaml, have: "mirrors: {docker.io: {}}\n", want: []State{Written, ByHand}, keeps: true},
		{name: "settings with ours among them", c: k3s, path: yaml, keeps: true, want: []State{Written, Present},
			have: "mirrors: {docker.io: {}}\nconfigs: {a.example: {tls: {ca_file: /etc/rancher/k3s/certs.d/a.example/ca.crt}}}\n"},
		{name: "settings with ours as a remark", c: k3s, path: yaml, keeps: true, want: []State{Written, ByHand},
			have: "# /etc/rancher/k3s/certs.d/a.example/ca.crt\n"},
		{name: "settings with a longer name", c: k3s, path: yaml, keeps: true, want: []State{Written, ByHand},
			have: "configs: {a.example: {tls: {ca_file: /etc/rancher/k3s/certs.d/a.example/ca.crt.old}}}\n"},
	} {
		m := newMachine(t)
		m.put(t, tt.path, tt.have)
		got, err := Install(m.root, tt.c)
		if tt.wantErr == "" && err != nil || tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)) {
			t.Errorf("%s: Install: %v, want %q", tt.name, err, tt.wantErr)
		}
		if !slices.Equal(states(got), tt.want) {
			t.Errorf("%s: Install = %v, want %v", tt.name, got, tt.want)
		}
		if now := m.tree(t)[tt.path]; (now == tt.have) != tt.keeps {
			t.Errorf("%s: %s is now\n%s", tt.name, tt.path, now)
		}
		if tt.wantErr != "" && len(m.tree(t)) != 1 {
			t.Errorf("%s: refused, and yet there is %v", tt.name, m.tree(t))
		}
	}
}

// TestInstallFollowsNoLink: not out of the tree, not within it, not at the end
// of the way, not in the middle; and it waits for no pipe.
func TestInstallFollowsNoLink(t *testing.T) {
	t.Parallel()
	c := docker(host(t, "a.example"), string(Bundle{issue(t, "Root", nil, nil).Certificate}.PEM()))
	for _, tt := range []struct{ name, path, to, want string }{
		{"out of the tree", "/etc/docker", "OUTSIDE", "/etc/docker is a symbolic link to"},
		{"upwards", "/etc/docker", "../../../../../../tmp", "/etc/docker is a symbolic link to"},
		{"within the tree", "/etc/docker/certs.d", "../../elsewhere", "/etc/docker/certs.d is a symbolic link to ../../elsewhere"},
		{"the file itself", "/etc/docker/certs.d/a.example/ca.crt", "../../../elsewhere/passwd", "ca.crt is a symbolic link to"},
		{"to nowhere", "/etc/docker/certs.d/a.example/ca.crt", "nowhere", "ca.crt is a symbolic link to"},
		{"with a name that clears the screen", "/etc/docker", "\x1b[2J", `a symbolic link to \u001b[2J`},
	} {
		m, outside := newMachine(t), t.TempDir()
		m.put(t, "/elsewhere/passwd", "precious")
		at := filepath.Join(m.dir, tt.path)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(strings.Replace(tt.to, "OUTSIDE", outside, 1), at); err != nil {
			t.Fatal(err)
		}
		if _, err := Install(m.root, c); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Install: %v, want %q", tt.name, err, tt.want)
		}
		if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
			t.Errorf("%s: outside of the tree there is %v, %v", tt.name, left, err)
		}
		if tree := m.tree(t); len(tree) != 1 || tree["/elsewhere/passwd"] != "precious" {
			t.Errorf("%s: in the tree there is %v", tt.name, tree)
		}
	}
	m := newMachine(t)
	m.put(t, "/etc/docker/certs.d/a.example/x", "")
	if err := syscall.Mkfifo(m.dir+"/etc/docker/certs.d/a.example/ca.crt", 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Install(m.root, c); err == nil || !strings.Contains(err.Error(), "not what is needed") {
		t.Errorf("a pipe: Install: %v", err)
	}
}

// TestInstallIsAtomic: whoever has the former file open reads it to its end.
func TestInstallIsAtomic(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	first := string(Bundle{issue(t, "One", nil, nil).Certificate}.PEM())
	h := host(t, "a.example")
	m.put(t, "/etc/docker/certs.d/a.example/ca.crt", first)
	reader, err := m.root.Open("etc/docker/certs.d/a.example/ca.crt")
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if _, err := Install(m.root, docker(h, first+string(Bundle{issue(t, "Two", nil, nil).Certificate}.PEM()))); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(reader); err != nil || string(text) != first {
		t.Errorf("the reader got %q, %v", text, err)
	}
}

func TestInstallWhereAFileIsInTheWay(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.put(t, "/etc/docker/certs.d", "a file where a directory should be")
	c := docker(host(t, "a.example"), string(Bundle{issue(t, "Root", nil, nil).Certificate}.PEM()))
	if _, err := Install(m.root, c); err == nil || !strings.Contains(err.Error(), "/etc/docker/certs.d is there, and not what is needed") {
		t.Errorf("Install: %v", err)
	}
	if tree := m.tree(t); len(tree) != 1 {
		t.Errorf("there is %v", tree)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		path string
		want []string
	}{
		{"/etc/hosts", nil},
		{"/usr/bin/dockerd", []string{"docker"}},
		{"/etc/containers/policy.json", []string{"podman"}},
		{"/usr/bin/skopeo", []string{"podman"}},
		{"/usr/local/bin/k3s", []string{"k3s"}},
		{"/etc/rancher/rke2/config.yaml", []string{"rke2"}},
		{"/usr/sbin/update-ca-certificates", []string{"debian"}},
		{"/usr/bin/update-ca-trust", []string{"rhel"}},
	} {
		m := newMachine(t)
		m.put(t, tt.path, "")
		var got []string
		for _, c := range clientsFor(t, "a.example") {
			if Find(m.root, c) {
				got = append(got, c.Name)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("with %s: found %q, want %q", tt.path, got, tt.want)
		}
	}
}
