package e2e

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/regate/regate/e2e/tool"
)

// manifests are decoded objects, as an API server sees them.
type manifests struct {
	secrets    map[string]*corev1.Secret
	configs    map[string]*corev1.ConfigMap
	claims     map[string]*corev1.PersistentVolumeClaim
	accounts   map[string]*corev1.ServiceAccount
	services   map[string]*corev1.Service
	deployment map[string]*appsv1.Deployment
	stateful   map[string]*appsv1.StatefulSet
	budgets    map[string]*policyv1.PodDisruptionBudget
	policies   map[string]*networkingv1.NetworkPolicy
	monitors   map[string]*serviceMonitor
}

// serviceMonitor is what Prometheus' operator has under that name
// (monitoring.coreos.com/v1), as far as we use it.
type serviceMonitor struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		JobLabel  string               `json:"jobLabel"`
		Selector  metav1.LabelSelector `json:"selector"`
		Endpoints []struct {
			Port     string `json:"port"`
			Path     string `json:"path"`
			Interval string `json:"interval"`
		} `json:"endpoints"`
	} `json:"spec"`
}

var document = regexp.MustCompile(`(?m)^---\n`)

// decodeManifests decodes each document as strictly as an API server that is
// told to validate. A kind that it does not know is a mistake, and so is a name
// that is there twice.
func decodeManifests(t *testing.T, text string) (m manifests) {
	t.Helper()
	for _, doc := range document.Split(text, -1) {
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(doc), &kind); err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		switch kind.APIVersion + " " + kind.Kind {
		case " ": // comments alone
		case "v1 Secret":
			keep(t, doc, &m.secrets)
		case "v1 ConfigMap":
			keep(t, doc, &m.configs)
		case "v1 PersistentVolumeClaim":
			keep(t, doc, &m.claims)
		case "v1 ServiceAccount":
			keep(t, doc, &m.accounts)
		case "v1 Service":
			keep(t, doc, &m.services)
		case "apps/v1 Deployment":
			keep(t, doc, &m.deployment)
		case "apps/v1 StatefulSet":
			keep(t, doc, &m.stateful)
		case "policy/v1 PodDisruptionBudget":
			keep(t, doc, &m.budgets)
		case "networking.k8s.io/v1 NetworkPolicy":
			keep(t, doc, &m.policies)
		case "monitoring.coreos.com/v1 ServiceMonitor":
			keep(t, doc, &m.monitors)
		default:
			t.Errorf("nobody knows %+v", kind)
		}
	}
	return m
}

func keep[T any, P interface {
	*T
	metav1.Object
}](t *testing.T, doc string, all *map[string]P) {
	t.Helper()
	var one P = new(T)
	strictYAML(t, doc, one)
	if *all == nil {
		*all = make(map[string]P)
	}
	if (*all)[one.GetName()] != nil {
		t.Errorf("%s is there twice", one.GetName())
	}
	(*all)[one.GetName()] = one
}

// A workload is what runs pods: a Deployment, or a StatefulSet.
type workload struct {
	name     string
	selector *metav1.LabelSelector
	pod      corev1.PodTemplateSpec
	claims   []string // made for each pod
}

func (m manifests) workloads() (all []workload) {
	for _, name := range slices.Sorted(maps.Keys(m.deployment)) {
		d := m.deployment[name]
		all = append(all, workload{name: name, selector: d.Spec.Selector, pod: d.Spec.Template})
	}
	for _, name := range slices.Sorted(maps.Keys(m.stateful)) {
		s := m.stateful[name]
		w := workload{name: name, selector: s.Spec.Selector, pod: s.Spec.Template}
		for _, c := range s.Spec.VolumeClaimTemplates {
			w.claims = append(w.claims, c.Name)
		}
		all = append(all, w)
	}
	return all
}

// selected returns the workload whose pods a selector means.
func (m manifests) selected(t *testing.T, by string, selector map[string]string) workload {
	t.Helper()
	var found []workload
	for _, w := range m.workloads() {
		if subset(selector, w.pod.Labels) {
			found = append(found, w)
		}
	}
	if len(found) != 1 || len(selector) == 0 {
		t.Fatalf("%s selects %v, which %d workloads have", by, selector, len(found))
	}
	return found[0]
}

func subset(part, whole map[string]string) bool {
	for k, v := range part {
		if whole[k] != v {
			return false
		}
	}
	return true
}

// port returns the number of a container's port, by its name.
func (w workload) port(t *testing.T, name string) int32 {
	t.Helper()
	for _, p := range w.pod.Spec.Containers[0].Ports {
		if p.Name == name {
			return p.ContainerPort
		}
	}
	t.Fatalf("%s has no port %q", w.name, name)
	return 0
}

// consistent follows every name from one object to another. elsewhere are the
// Secrets and claims that others bring.
func (m manifests) consistent(t *testing.T, elsewhere ...string) {
	t.Helper()
	for _, w := range m.workloads() {
		m.followPod(t, w, elsewhere)
		restricted(t, w)
	}
	for name, s := range m.services {
		w := m.selected(t, "Service "+name, s.Spec.Selector)
		for _, p := range s.Spec.Ports {
			w.port(t, p.TargetPort.StrVal)
		}
	}
	for name, b := range m.budgets {
		m.selected(t, "PodDisruptionBudget "+name, b.Spec.Selector.MatchLabels)
	}
	for name, p := range m.policies {
		w := m.selected(t, "NetworkPolicy "+name, p.Spec.PodSelector.MatchLabels)
		for _, in := range p.Spec.Ingress {
			for _, port := range in.Ports {
				w.port(t, port.Port.StrVal)
			}
			for _, from := range in.From {
				if from.PodSelector != nil {
					m.selected(t, "a peer of NetworkPolicy "+name, from.PodSelector.MatchLabels)
				}
			}
		}
		for _, out := range p.Spec.Egress {
			for _, to := range out.To {
				if to.PodSelector != nil {
					m.selected(t, "a peer of NetworkPolicy "+name, to.PodSelector.MatchLabels)
				}
			}
		}
	}
	m.followMonitors(t)
}

func (m manifests) followMonitors(t *testing.T) {
	t.Helper()
	for name, monitor := range m.monitors {
		found := 0
		for _, s := range m.services {
			if !subset(monitor.Spec.Selector.MatchLabels, s.Labels) {
				continue
			}
			for _, e := range monitor.Spec.Endpoints {
				if slices.ContainsFunc(s.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == e.Port }) {
					found++
				}
			}
			if job := s.Labels[monitor.Spec.JobLabel]; job != "regate" {
				t.Errorf("ServiceMonitor %s makes job %q, and the rules in deploy/monitoring ask for regate", name, job)
			}
		}
		if found != 1 {
			t.Errorf("ServiceMonitor %s finds %d ports", name, found)
		}
	}
}

func (m manifests) followPod(t *testing.T, w workload, elsewhere []string) {
	t.Helper()
	if !subset(w.selector.MatchLabels, w.pod.Labels) || len(w.selector.MatchLabels) == 0 {
		t.Errorf("%s selects %v, its pods have %v", w.name, w.selector.MatchLabels, w.pod.Labels)
	}
	spec := w.pod.Spec
	if a := spec.ServiceAccountName; a != "" && m.accounts[a] == nil {
		t.Errorf("%s: there is no ServiceAccount %s", w.name, a)
	}
	volumes := slices.Clone(w.claims)
	for _, v := range spec.Volumes {
		volumes = append(volumes, v.Name)
		switch {
		case v.Secret != nil && m.secrets[v.Secret.SecretName] == nil && !slices.Contains(elsewhere, v.Secret.SecretName),
			v.ConfigMap != nil && m.configs[v.ConfigMap.Name] == nil,
			v.PersistentVolumeClaim != nil && m.claims[v.PersistentVolumeClaim.ClaimName] == nil &&
				!slices.Contains(elsewhere, v.PersistentVolumeClaim.ClaimName):
			t.Errorf("%s: nobody has what volume %s names", w.name, v.Name)
		}
	}
	for _, mount := range spec.Containers[0].VolumeMounts {
		if i := slices.Index(volumes, mount.Name); i < 0 {
			t.Errorf("%s mounts %s, which is no volume, or is mounted already", w.name, mount.Name)
		} else {
			volumes = slices.Delete(volumes, i, i+1)
		}
	}
	if len(volumes) > 0 {
		t.Errorf("%s: nothing mounts %v", w.name, volumes)
	}
	for _, p := range probes(spec.Containers[0]) {
		w.port(t, probePort(p))
	}
}

func probes(c corev1.Container) (all []*corev1.Probe) {
	for _, p := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
		if p != nil {
			all = append(all, p)
		}
	}
	return all
}

func probePort(p *corev1.Probe) string {
	port := intstr.IntOrString{}
	if p.HTTPGet != nil {
		port = p.HTTPGet.Port
	} else if p.TCPSocket != nil {
		port = p.TCPSocket.Port
	}
	return port.StrVal
}

// restricted asks what the Pod Security Standard of that name asks, and that
// nothing but volumes can be written.
func restricted(t *testing.T, w workload) {
	t.Helper()
	pod, c := w.pod.Spec, w.pod.Spec.Containers[0]
	if len(pod.Containers) != 1 || len(pod.InitContainers) != 0 {
		t.Fatalf("%s has more containers than are looked at", w.name)
	}
	all, own := pod.SecurityContext, c.SecurityContext
	switch {
	case pod.HostNetwork, pod.HostPID, pod.HostIPC:
		t.Errorf("%s sees the node", w.name)
	case pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken:
		t.Errorf("%s has a token of the cluster", w.name)
	case all.RunAsNonRoot == nil || !*all.RunAsNonRoot, all.RunAsUser == nil || *all.RunAsUser == 0:
		t.Errorf("%s may be root", w.name)
	case all.SeccompProfile == nil || all.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault:
		t.Errorf("%s may use any system call", w.name)
	case own.AllowPrivilegeEscalation == nil || *own.AllowPrivilegeEscalation, own.Privileged != nil,
		own.Capabilities == nil || !slices.Equal(own.Capabilities.Drop, []corev1.Capability{"ALL"}) || own.Capabilities.Add != nil:
		t.Errorf("%s can become more", w.name)
	case own.ReadOnlyRootFilesystem == nil || !*own.ReadOnlyRootFilesystem:
		t.Errorf("%s can write to its image", w.name)
	case c.Resources.Limits.Memory().IsZero():
		t.Errorf("%s has all memory of its node", w.name)
	}
	for _, s := range all.Sysctls {
		if s.Name != "net.ipv4.ip_unprivileged_port_start" { // which is in the baseline
			t.Errorf("%s sets %s", w.name, s.Name)
		}
	}
	for _, v := range pod.Volumes {
		if v.HostPath != nil {
			t.Errorf("%s has the node's %s", w.name, v.HostPath.Path)
		}
	}
}

// plainManifests are those of deploy/kubernetes, together.
func plainManifests(t *testing.T) manifests {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(tool.Root(), "deploy", "kubernetes", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v: %v", files, err)
	}
	var all []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	return decodeManifests(t, strings.Join(all, "\n---\n"))
}

// TestKubernetesManifests decodes the plain manifests, and follows their names.
func TestKubernetesManifests(t *testing.T) {
	t.Parallel()
	m := plainManifests(t)
	m.consistent(t)
	if len(m.deployment) != 2 || len(m.policies) != 2 {
		t.Errorf("there are %d Deployments and %d NetworkPolicies", len(m.deployment), len(m.policies))
	}
	endsInTime(t, m, "regate", "regate-config")
}
