package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/regate/regate/e2e/testbed"
)

// A pod is the container of a manifest, run by docker as a kubelet would have
// it run: its command, user and groups, sysctls, privileges, memory and volumes.
// The cluster is missing: nobody schedules it, and no Service is in between.
type pod struct {
	d       docker
	id      string
	ip      string
	spec    corev1.PodSpec
	volumes map[string]string // by their names, where they are here
}

// A stage is what pods have in common.
type stage struct {
	d       docker
	network string
	dir     string
	claims  map[string]string            // by their names, where they are
	secrets map[string]map[string]string // name → key → value
	configs map[string]map[string]string
}

func newStage(t *testing.T, d docker, m manifests) *stage {
	t.Helper()
	c := &stage{
		d: d, network: strings.ToLower(filepath.Base(testbed.Dir(t))), dir: testbed.Dir(t), claims: map[string]string{},
		secrets: map[string]map[string]string{}, configs: map[string]map[string]string{},
	}
	for name, s := range m.secrets {
		c.secrets[name] = s.StringData
	}
	for name, s := range m.configs {
		c.configs[name] = s.Data
	}
	if err := os.Chmod(c.dir, 0o755); err != nil { // docker's bind mounts are by path
		t.Fatal(err)
	}
	d.run(t, "network", "create", "--internal", "net-"+c.network)
	return c
}

// run starts the pod of a workload. Others reach it by the name of a Service.
func (c *stage) run(t *testing.T, w workload, service string) *pod {
	t.Helper()
	p := &pod{d: c.d, spec: w.pod.Spec, volumes: map[string]string{}}
	args := append([]string{"run", "--detach", "--network", "net-" + c.network, "--network-alias", service}, p.security()...)
	main := p.spec.Containers[0]
	for _, mount := range main.VolumeMounts {
		p.volumes[mount.Name] = c.volume(t, p, mount.Name)
		bind := p.volumes[mount.Name] + ":" + mount.MountPath
		if mount.ReadOnly {
			bind += ":ro"
		}
		args = append(args, "--volume", bind)
	}
	for _, e := range main.Env {
		args = append(args, "--env", e.Name+"="+e.Value)
	}
	command := main.Args
	if len(main.Command) > 0 {
		args = append(args, "--entrypoint", main.Command[0])
		command = append(append([]string{}, main.Command[1:]...), main.Args...)
	}
	p.id = strings.TrimSpace(c.d.run(t, append(append(args, main.Image), command...)...))
	t.Cleanup(func() {
		said := c.d.run(t, "logs", p.id)
		testbed.Said(t, said)
		if t.Failed() {
			t.Logf("%s:\n%s", w.name, said)
		}
		c.d.run(t, "rm", "--force", p.id)
	})
	p.ip = strings.TrimSpace(c.d.run(t, "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", p.id))
	return p
}

// security says in docker's words what the security contexts say. The profile
// for system calls is docker's default, as RuntimeDefault has it.
func (p *pod) security() []string {
	all, own := p.spec.SecurityContext, p.spec.Containers[0].SecurityContext
	args := []string{
		"--user", fmt.Sprintf("%d:%d", *all.RunAsUser, *all.RunAsGroup),
		"--group-add", strconv.FormatInt(*all.FSGroup, 10),
		"--memory", strconv.FormatInt(p.spec.Containers[0].Resources.Limits.Memory().Value(), 10),
	}
	if *own.ReadOnlyRootFilesystem {
		args = append(args, "--read-only")
	}
	if !*own.AllowPrivilegeEscalation {
		args = append(args, "--security-opt", "no-new-privileges")
	}
	for _, cap := range own.Capabilities.Drop {
		args = append(args, "--cap-drop", string(cap))
	}
	for _, s := range all.Sysctls {
		args = append(args, "--sysctl", s.Name+"="+s.Value)
	}
	return args
}

// volume makes a volume as kubelets do, whose group is fsGroup.
func (c *stage) volume(t *testing.T, p *pod, name string) string {
	t.Helper()
	for _, v := range p.spec.Volumes {
		if v.Name != name {
			continue
		}
		switch {
		case v.Secret != nil:
			return c.projected(t, p, c.secrets[v.Secret.SecretName], *v.Secret.DefaultMode, v.Secret.Items)
		case v.ConfigMap != nil:
			return c.projected(t, p, c.configs[v.ConfigMap.Name], 0o644, v.ConfigMap.Items)
		case v.PersistentVolumeClaim != nil:
			name = v.PersistentVolumeClaim.ClaimName
			if c.claims[name] == "" {
				c.claims[name] = c.writable(t, p, 0o775)
			}
			return c.claims[name]
		}
		return c.writable(t, p, 0o777) // an emptyDir
	}
	return c.writable(t, p, 0o775) // of a claim template
}

// writable makes a folder as it is in a volume: of root, and of fsGroup.
func (c *stage) writable(t *testing.T, p *pod, mode os.FileMode) string {
	t.Helper()
	dir, err := os.MkdirTemp(c.dir, "volume")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, 0, int(*p.spec.SecurityContext.FSGroup)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, os.ModeSetgid|mode); err != nil {
		t.Fatal(err)
	}
	return dir
}

// projected writes the keys of a Secret or ConfigMap, all of them in a folder
// that a link names, so that they change together.
func (c *stage) projected(t *testing.T, p *pod, data map[string]string, mode int32, items []corev1.KeyToPath) string {
	t.Helper()
	if len(data) == 0 {
		t.Fatal("a volume has nothing in it")
	}
	if len(items) > 0 {
		all := data
		data = map[string]string{}
		for _, i := range items {
			data[i.Path] = all[i.Key]
		}
	}
	dir := c.writable(t, p, 0o777)
	for key := range data {
		if err := os.Symlink(filepath.Join("..data", key), filepath.Join(dir, key)); err != nil {
			t.Fatal(err)
		}
	}
	p.project(t, dir, data, mode)
	return dir
}

// project puts new content into such a volume.
func (p *pod) project(t *testing.T, dir string, data map[string]string, mode int32) {
	t.Helper()
	group := int(*p.spec.SecurityContext.FSGroup)
	version, err := os.MkdirTemp(dir, "..v")
	if err != nil {
		t.Fatal(err)
	}
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.Chown(version, 0, group))
	check(os.Chmod(version, 0o750))
	for key, text := range data {
		file := filepath.Join(version, key)
		check(os.WriteFile(file, []byte(text), 0o600))
		check(os.Chown(file, 0, group))
		check(os.Chmod(file, os.FileMode(mode)))
	}
	check(os.Symlink(filepath.Base(version), filepath.Join(dir, "..next")))
	check(os.Rename(filepath.Join(dir, "..next"), filepath.Join(dir, "..data")))
}

// probe does what a kubelet does.
func (p *pod) probe(probe *corev1.Probe) error {
	main := p.spec.Containers[0]
	for _, port := range main.Ports {
		if port.Name != probePort(probe) {
			continue
		}
		addr := net.JoinHostPort(p.ip, strconv.Itoa(int(port.ContainerPort)))
		if probe.TCPSocket != nil {
			conn, err := net.DialTimeout("tcp", addr, time.Second)
			if err == nil {
				conn.Close()
			}
			return err
		}
		client := http.Client{Timeout: time.Second}
		res, err := client.Get("http://" + addr + probe.HTTPGet.Path)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode < 200 || res.StatusCode >= 400 {
			return fmt.Errorf("%s: %s", probe.HTTPGet.Path, res.Status)
		}
		return nil
	}
	return fmt.Errorf("no port %s", probePort(probe))
}

// awaitReady waits until all probes succeed.
func (p *pod) awaitReady(t *testing.T) {
	t.Helper()
	testbed.Await(t, func() error {
		for _, probe := range probes(p.spec.Containers[0]) {
			if err := p.probe(probe); err != nil {
				if running := strings.TrimSpace(p.d.run(t, "inspect", "--format", "{{.State.Running}}", p.id)); running != "true" {
					t.Fatal("the container has ended")
				}
				return err
			}
		}
		return nil
	})
}

// client speaks https with the pod, as if it had the names of its certificate.
func (p *pod) client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			_, port, _ := strings.Cut(addr, ":")
			return new(net.Dialer).DialContext(ctx, network, p.ip+":"+port)
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
}
