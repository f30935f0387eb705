package trust

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestWhereClientsLook: the directory is named as references name the host,
// with the port only if they have one.
func TestWhereClientsLook(t *testing.T) {
	t.Parallel()
	for arg, ref := range map[string]string{
		"https://registry.example.com:443":  "registry.example.com",
		"https://registry.example.com:5000": "registry.example.com:5000",
		"https://[fd00::1]:5000":            "[fd00::1]:5000",
	} {
		var got []string
		for _, c := range clientsFor(t, arg) {
			for _, f := range c.Files {
				got = append(got, f.Path)
			}
		}
		for _, want := range []string{
			"/etc/docker/certs.d/REF/ca.crt", "/etc/containers/certs.d/REF/ca.crt",
			"/etc/containerd/certs.d/REF/ca.crt", "/etc/containerd/certs.d/REF/hosts.toml",
			"/etc/rancher/k3s/registries.yaml", "/etc/rancher/rke2/registries.yaml", "/etc/buildkit/buildkitd.toml",
		} {
			if want = strings.Replace(want, "REF", ref, 1); !slices.Contains(got, want) {
				t.Errorf("%s: there is no %s in %q", arg, want, got)
			}
		}
	}
}

func clientsFor(t *testing.T, arg string) []Client {
	return Clients(host(t, arg), Bundle{issue(t, "Root", nil, nil).Certificate})
}

// TestFilesBelongTogether: what a configuration names is among the files of the
// same client, every certificate is whole, and the reference stands where it must.
func TestFilesBelongTogether(t *testing.T) {
	t.Parallel()
	for _, c := range clientsFor(t, "registry.example.com:5000") {
		for _, f := range c.Files {
			switch {
			case f.IsCA():
				if b := certificates([]byte(f.Content)); len(b) != 1 || string(b.PEM()) != f.Content {
					t.Errorf("%s: %s is not the certificate:\n%s", c.Name, f.Path, f.Content)
				}
			case !names([]byte(f.Content), f.ca) || !strings.Contains(f.Content, "registry.example.com:5000"):
				t.Errorf("%s: %s does not name %s and the host:\n%s", c.Name, f.Path, f.ca, f.Content)
			case !slices.ContainsFunc(c.Files, func(o File) bool { return o.Path == f.ca }):
				t.Errorf("%s: %s names %s, which is not among its files", c.Name, f.Path, f.ca)
			}
		}
		if c.Title == "" || len(c.Then) == 0 || len(c.Files) == 0 && c.Manifest == "" && !c.Untested {
			t.Errorf("%s: says too little: %+v", c.Name, c)
		}
	}
}

// TestStoreFiles: update-ca-certificates(8) skips a file with two certificates,
// and one whose name does not end in .crt.
func TestStoreFiles(t *testing.T) {
	t.Parallel()
	two := Bundle{issue(t, "One", nil, nil).Certificate, issue(t, "Two", nil, nil).Certificate}
	good := regexp.MustCompile(`^/[a-z/-]+/regate-fd00--1_5000-[0-9a-f]{8}\.crt$`)
	for _, c := range Clients(host(t, "[fd00::1]:5000"), two) {
		if !c.IsSystem() {
			continue
		}
		if len(c.Files) != 2 || c.Files[0].Path == c.Files[1].Path {
			t.Fatalf("%s: files %+v, want one for each CA", c.Name, c.Files)
		}
		for i, f := range c.Files {
			if !good.MatchString(f.Path) || f.Content != string(two[i:i+1].PEM()) {
				t.Errorf("%s: %s with\n%s", c.Name, f.Path, f.Content)
			}
		}
	}
}

func TestSelect(t *testing.T) {
	t.Parallel()
	all := clientsFor(t, "a.example")
	for _, tt := range []struct {
		names   []string
		want    []string
		wantErr string
	}{
		{names: []string{"podman", "docker"}, want: []string{"docker", "podman"}},
		{names: []string{"system"}, want: []string{"debian", "rhel"}},
		{names: []string{"rhel", "system"}, want: []string{"debian", "rhel"}},
		{names: nil, want: nil},
		{names: []string{"docker", "dokcer"}, wantErr: `no client "dokcer", only docker, podman,`},
	} {
		got, err := Select(all, tt.names)
		if tt.wantErr != "" {
			if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("Select(%q): %v, want %q", tt.names, err, tt.wantErr)
			}
			continue
		}
		var names []string
		for _, c := range got {
			names = append(names, c.Name)
		}
		if err != nil || !slices.Equal(names, tt.want) {
			t.Errorf("Select(%q) = %q, %v, want %q", tt.names, names, err, tt.want)
		}
	}
}

// TestManifest: nodes are given anew what has changed, and each gate has its own.
func TestManifest(t *testing.T) {
	t.Parallel()
	content := regexp.MustCompile(`regate/content: "([0-9a-f]+)"`)
	name := regexp.MustCompile(`name: (regate-trust-[0-9a-f]+)\n`)
	first := Bundle{issue(t, "One", nil, nil).Certificate}
	both := append(slices.Clone(first), issue(t, "Two", nil, nil).Certificate)
	of := func(arg string, b Bundle) (id, what string) {
		m := kubernetes(host(t, arg), b).Manifest
		if strings.Contains(m, "{{") || strings.Count(m, "BEGIN CERTIFICATE") != len(b) {
			t.Errorf("%s: %d certificates wanted in\n%s", arg, len(b), m)
		}
		return name.FindStringSubmatch(m)[1], content.FindStringSubmatch(m)[1]
	}
	id, what := of("a.example", first)
	if i, w := of("a.example", both); i != id || w == what {
		t.Errorf("with the next CA: %s %s, after %s %s; want another content of the same name", i, w, id, what)
	}
	if i, _ := of("b.example", first); i == id {
		t.Errorf("two hosts share the name %s", i)
	}
}
