package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	sigsjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/regate/regate/e2e/testbed"
)

// trusted is what regate trust --json prints, as far as the tests look.
type trusted struct {
	CAs     []struct{ PEM string }
	Clients []struct {
		Name     string
		Files    []struct{ Path, Content string }
		Manifest string
		Once     []struct{ Version, Path, Content string }
	}
}

// trustJSON asks for the files of one client, of a CA that is carried by hand.
func trustJSON(t *testing.T, name string) (r trusted) {
	t.Helper()
	out := testbed.Run(t, testbed.Command{Program: "regate", Dir: testbed.Dir(t), Args: []string{
		"trust", "https://registry.corp.test:5000", "--ca-file", testbed.NewCA(t).File, "--json", "--for", name}})
	if err := json.Unmarshal([]byte(out), &r); err != nil || len(r.Clients) != 1 {
		t.Fatalf("%v in\n%s", err, out)
	}
	return r
}

// content is the file whose path ends so.
func (r trusted) content(t *testing.T, suffix string) string {
	t.Helper()
	for _, f := range r.Clients[0].Files {
		if strings.HasSuffix(f.Path, suffix) {
			return f.Content
		}
	}
	t.Fatalf("there is no %s in %+v", suffix, r.Clients[0].Files)
	return ""
}

// TestTrustFilesOfContainerd: containerd takes the line that it has to have,
// and a strict parser the rest.
func TestTrustFilesOfContainerd(t *testing.T) {
	t.Parallel()
	r := trustJSON(t, "containerd")
	for _, o := range r.Clients[0].Once {
		var config struct {
			Plugins map[string]struct {
				Registry struct {
					ConfigPath string `toml:"config_path"`
				} `toml:"registry"`
			} `toml:"plugins"`
		}
		strictTOML(t, o.Content, &config)
		if o.Version != "containerd 1" { // the one that Debian 12 has
			continue
		}
		dir := testbed.Dir(t)
		file := filepath.Join(dir, "config.toml")
		if err := os.WriteFile(file, []byte("version = 2\n"+o.Content), 0o600); err != nil {
			t.Fatal(err)
		}
		dump := testbed.Run(t, testbed.Command{Program: "containerd", Args: []string{"--config", file, "config", "dump"}, Dir: dir})
		if !strings.Contains(dump, `config_path = "/etc/containerd/certs.d"`) {
			t.Errorf("containerd has not taken %s:\n%s", o.Content, dump)
		}
	}
	if len(r.Clients[0].Once) != 2 {
		t.Errorf("versions: %+v, want two", r.Clients[0].Once)
	}
}

// TestTrustFilesOfBuildKit reads the file as buildkitd does
// (moby/buildkit, util/resolver/config).
func TestTrustFilesOfBuildKit(t *testing.T) {
	t.Parallel()
	r := trustJSON(t, "buildkit")
	var config struct {
		Registry map[string]struct {
			CA []string `toml:"ca"`
		} `toml:"registry"`
	}
	strictTOML(t, r.content(t, "/buildkitd.toml"), &config)
	ca := config.Registry["registry.corp.test:5000"].CA
	if len(ca) != 1 || r.content(t, ca[0]) != r.CAs[0].PEM {
		t.Errorf("buildkitd.toml = %+v", config)
	}
}

func strictTOML(t *testing.T, text string, into any) {
	t.Helper()
	if err := toml.NewDecoder(strings.NewReader(text)).DisallowUnknownFields().Decode(into); err != nil {
		t.Errorf("%v in\n%s", err, text)
	}
}

// TestTrustFilesOfRancher reads the file as k3s and RKE2 do (rancher/wharfie,
// pkg/registries).
func TestTrustFilesOfRancher(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"k3s", "rke2"} {
		r := trustJSON(t, name)
		var config struct {
			Mirrors map[string]struct {
				Endpoints []string `json:"endpoint"`
			} `json:"mirrors"`
			Configs map[string]struct {
				TLS struct {
					CAFile string `json:"ca_file"`
				} `json:"tls"`
			} `json:"configs"`
		}
		text := r.content(t, "/registries.yaml")
		if err := yaml.UnmarshalStrict([]byte(text), &config); err != nil {
			t.Errorf("%s: %v in\n%s", name, err, text)
		}
		const host = "registry.corp.test:5000"
		endpoints := config.Mirrors[host].Endpoints
		if len(endpoints) != 1 || endpoints[0] != "https://"+host || r.content(t, config.Configs[host].TLS.CAFile) != r.CAs[0].PEM {
			t.Errorf("%s: %+v", name, config)
		}
	}
}

// TestTrustManifest decodes the manifest as strictly as an API server does when
// it is told to validate, and runs the script with the busybox that it names.
func TestTrustManifest(t *testing.T) {
	t.Parallel()
	r := trustJSON(t, "kubernetes")
	docs := strings.Split(r.Clients[0].Manifest, "\n---\n")
	if len(docs) != 2 {
		t.Fatalf("%d documents, want two:\n%s", len(docs), r.Clients[0].Manifest)
	}
	var files corev1.ConfigMap
	var set appsv1.DaemonSet
	strictYAML(t, docs[0], &files)
	strictYAML(t, docs[1], &set)
	if files.Kind != "ConfigMap" || set.Kind != "DaemonSet" || set.APIVersion != "apps/v1" || files.APIVersion != "v1" {
		t.Errorf("kinds %s/%s, %s/%s", files.APIVersion, files.Kind, set.APIVersion, set.Kind)
	}
	pod := set.Spec.Template
	for k, v := range set.Spec.Selector.MatchLabels {
		if pod.Labels[k] != v {
			t.Errorf("the selector wants %s: %s, the pod has %v", k, v, pod.Labels)
		}
	}
	if pod.Spec.Volumes[0].ConfigMap.Name != files.Name || files.Data["ca.crt"] != r.CAs[0].PEM {
		t.Errorf("the pod mounts %s, the files are in %s: %v", pod.Spec.Volumes[0].ConfigMap.Name, files.Name, files.Data)
	}
	var hosts map[string]any
	strictTOML(t, files.Data["hosts.toml"], &hosts)
	runOnNode(t, set, files.Data)
}

func strictYAML(t *testing.T, doc string, into any) {
	t.Helper()
	data, err := yaml.YAMLToJSONStrict([]byte(doc))
	if err != nil {
		t.Fatalf("%v in\n%s", err, doc)
	}
	strict, err := sigsjson.UnmarshalStrict(data, into)
	if err != nil || len(strict) > 0 {
		t.Fatalf("%v, %v in\n%s", err, strict, doc)
	}
}

// runOnNode runs the container's command in a root of its own, with the volumes
// where the manifest mounts them, over the files of an earlier CA.
func runOnNode(t *testing.T, set appsv1.DaemonSet, files map[string]string) {
	root := testbed.Dir(t)
	for _, dir := range []string{"bin", "dev", "files", "host/containerd/registry.corp.test:5000", "host/containers"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	testbed.Run(t, testbed.Command{Program: "cp", Args: []string{"/bin/busybox", root + "/bin/busybox"}, Dir: root})
	for _, applet := range []string{"sh", "mkdir", "cmp", "cp", "chmod", "mv", "sleep"} {
		if err := os.Symlink("busybox", filepath.Join(root, "bin", applet)); err != nil {
			t.Fatal(err)
		}
	}
	files["host/containerd/registry.corp.test:5000/ca.crt"] = "the former CA"
	files["dev/null"] = "" // what a shell in the background reads
	for name, text := range files {
		if !strings.Contains(name, "/") {
			name = "files/" + name
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	copier := set.Spec.Template.Spec.Containers[0]
	p := testbed.Start(t, testbed.Command{Program: "chroot", Args: append(append([]string{root}, copier.Command...), copier.Args...), Dir: testbed.Dir(t)})
	p.Await(t, func() error {
		for path, want := range map[string]string{
			"containerd/registry.corp.test:5000/ca.crt":     files["ca.crt"],
			"containerd/registry.corp.test:5000/hosts.toml": files["hosts.toml"],
			"containers/registry.corp.test:5000/ca.crt":     files["ca.crt"],
		} {
			got, err := os.ReadFile(filepath.Join(root, "host", path))
			if err != nil || !bytes.Equal(got, []byte(want)) {
				return fmt.Errorf("%s: %v\n%s%s", path, err, got, p.Log())
			}
		}
		return nil
	})
	// Stop, at the end of the test, sees to it that a signal ends it.
}
