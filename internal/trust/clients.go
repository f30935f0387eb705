// Package trust knows what the clients of registries read to trust a CA.
//
// In go the host of a gate and the certificates of its CA, out come for each
// client the files, with path and content, and what is to be done besides;
// Install writes them below a directory. The package connects to nothing,
// decides about nobody's trust, runs no program, and never changes a file that
// may hold something of somebody else's: it says what is to be added.
//
// Its values live as long as one command.
package trust

import (
	"fmt"
	"slices"
	"strings"
)

// A File is what a client reads.
type File struct {
	Path    string `json:"path"`
	Content string `json:"content"`
	// ca is the path of the CA's file that Content refers to; "" if Content is
	// the CA itself.
	ca string
}

// IsCA reports whether the file holds the CA's certificate and nothing else.
func (f File) IsCA() bool { return f.ca == "" }

// A Client is a program or a machine that can be told to trust a CA.
type Client struct {
	Name     string   `json:"name"` // as --for has it
	Title    string   `json:"title"`
	Files    []File   `json:"files,omitempty"`
	Manifest string   `json:"manifest,omitempty"` // for kubectl
	Once     []Once   `json:"once,omitempty"`
	Then     []string `json:"then,omitempty"` // what else is to be done, in order
	Untested bool     `json:"untested,omitempty"`
	// Refresh is a command that has to run after the files are written.
	Refresh []string `json:"refresh,omitempty"`

	signs []string // paths of which one is there if the client is
}

// Installable reports whether the client is one that a Linux machine may have.
func (c Client) Installable() bool { return len(c.signs) > 0 }

// Once is what has to stand in a configuration that is somebody else's, so that
// the files are read at all. One of several is needed, as the version is.
type Once struct {
	Version string `json:"version"`
	Path    string `json:"path"`
	Content string `json:"content"`
}

// System is the name for whichever of the system's stores a machine has.
const System = "system"

// Clients are all that the package knows, for the host and its anchors.
func Clients(h Host, anchors Bundle) []Client {
	ca := string(anchors.PEM())
	return []Client{
		docker(h, ca), podman(h, ca), containerd(h, ca),
		rancher(h, ca, "k3s", "k3s"), rancher(h, ca, "rke2", "RKE2"), buildkit(h, ca), kubernetes(h, anchors),
		debian(h, anchors), rhel(h, anchors), macos(), windows(),
	}
}

// Names are the names of all clients.
func Names() []string {
	var names []string
	for _, c := range Clients(Host{}, nil) {
		names = append(names, c.Name)
	}
	return names
}

// IsSystem reports whether the client is the store that all programs of a
// machine share, and not only those that pull images.
func (c Client) IsSystem() bool { return len(c.Refresh) > 0 }

// Select returns the clients that are named.
func Select(all []Client, names []string) ([]Client, error) {
	known := Names()
	for _, n := range names {
		if n != System && !slices.Contains(known, n) {
			return nil, fmt.Errorf("there is no client %q, only %s, and %s for %s", n, strings.Join(known, ", "), System, "the system's own store")
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(c Client) bool {
		return !slices.Contains(names, c.Name) && !(c.IsSystem() && slices.Contains(names, System))
	}), nil
}

func docker(h Host, ca string) Client {
	return Client{
		Name: "docker", Title: "Docker Engine",
		Files: []File{{Path: "/etc/docker/certs.d/" + h.String() + "/ca.crt", Content: ca}},
		Then:  []string{"Nothing: it is read at each pull and push. Rootless: below ~/.config/docker/certs.d."},
		signs: append(programs("dockerd"), "/etc/docker"),
	}
}

func podman(h Host, ca string) Client {
	return Client{
		Name: "podman", Title: "podman, buildah, skopeo, CRI-O",
		Files: []File{{Path: "/etc/containers/certs.d/" + h.String() + "/ca.crt", Content: ca}},
		Then:  []string{"Nothing: it is read at each pull and push. For one account: below ~/.config/containers/certs.d."},
		signs: append(programs("podman", "buildah", "skopeo", "crio"), "/etc/containers"),
	}
}

func containerd(h Host, ca string) Client {
	const dir = "/etc/containerd/certs.d"
	file := dir + "/" + h.String() + "/ca.crt"
	return Client{
		Name: "containerd", Title: "containerd 1.5 and later, nerdctl, ctr --hosts-dir " + dir,
		Files: []File{
			{Path: file, Content: ca},
			{Path: dir + "/" + h.String() + "/hosts.toml", Content: hostsTOML(h, file), ca: file},
		},
		Once: []Once{
			// 2.2 has two directories there by default, which not all of it
			// understands.
			configPath("containerd 2", "io.containerd.cri.v1.images", dir),
			configPath("containerd 1", "io.containerd.grpc.v1.cri", dir),
		},
		Then:  []string{"For Kubernetes, restart containerd once it has config_path; the files are then read at each pull."},
		signs: append(programs("containerd"), "/etc/containerd"),
	}
}

func configPath(version, plugin, dir string) Once {
	return Once{version, "/etc/containerd/config.toml", fmt.Sprintf("[plugins.%q.registry]\n  config_path = %q\n", plugin, dir)}
}

func hostsTOML(h Host, ca string) string {
	return fmt.Sprintf(`server = %[1]q

[host.%[1]q]
  capabilities = ["pull", "resolve", "push"]
  ca = %[2]q
`, h.URL(), ca)
}

// rancher is k3s or RKE2, which write the files of their containerd anew at
// each start, from this one. The mirror is the registry itself: some releases
// take tls for endpoints of mirrors only (k3s-io/k3s#9839).
func rancher(h Host, ca, name, title string) Client {
	dir := "/etc/rancher/" + name
	file := dir + "/certs.d/" + h.String() + "/ca.crt"
	return Client{
		Name: name, Title: title,
		Files: []File{
			{Path: file, Content: ca},
			{Path: dir + "/registries.yaml", ca: file, Content: fmt.Sprintf(`mirrors:
  %[1]q:
    endpoint: [%[2]q]
configs:
  %[1]q:
    tls: {ca_file: %[3]q}
`, h, h.URL(), file)},
		},
		Then:  []string{"On each node, servers too; then restart " + rancherServices(name) + "."},
		signs: append(programs(name), dir),
	}
}

func rancherServices(name string) string {
	if name == "rke2" {
		return "rke2-server or rke2-agent"
	}
	return "k3s or k3s-agent"
}

func buildkit(h Host, ca string) Client {
	const config = "/etc/buildkit/buildkitd.toml"
	file := "/etc/buildkit/certs.d/" + h.String() + "/ca.crt"
	return Client{
		Name: "buildkit", Title: "BuildKit (buildkitd, docker buildx with a builder of its own)",
		Files: []File{
			{Path: file, Content: ca},
			{Path: config, ca: file, Content: fmt.Sprintf("[registry.%q]\n  ca = [%q]\n", h, file)},
		},
		Then: []string{
			"Restart buildkitd, or make the builder anew: docker buildx create --use --buildkitd-config " + config,
			"The builder inside Docker Engine needs none of it: it reads what Docker Engine reads.",
		},
		signs: append(programs("buildkitd"), "/etc/buildkit"),
	}
}

// programs are where a machine may have programs.
func programs(names ...string) []string {
	var paths []string
	for _, n := range names {
		for _, dir := range []string{"/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/", "/usr/local/bin/", "/usr/local/sbin/", "/opt/bin/", "/snap/bin/"} {
			paths = append(paths, dir+n)
		}
	}
	return paths
}
