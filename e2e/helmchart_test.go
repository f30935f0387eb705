package e2e

import (
	"cmp"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/regate/regate/e2e/testbed"
	"github.com/regate/regate/e2e/tool"
)

var chart = filepath.Join(tool.Root(), "deploy", "helm", "regate")

// helm runs one command of helm on the chart, with a file of ci/ and more.
func helm(t *testing.T, command []string, values string, more ...string) (string, error) {
	t.Helper()
	args := append(command, chart, "--values", filepath.Join(chart, "ci", values+".yaml"))
	return testbed.Try(testbed.Command{Program: "helm", Args: append(args, more...), Dir: testbed.Dir(t)})
}

// render is helm template.
func render(t *testing.T, values string, more ...string) manifests {
	t.Helper()
	text, err := helm(t, []string{"template", "main", "--namespace", "gates", "--kube-version", "1.27"}, values, more...)
	if err != nil {
		t.Fatal(err)
	}
	return decodeManifests(t, text)
}

// TestHelmChart renders the chart with each set of values that stands in its
// ci/, decodes what comes out strictly, and follows the names in it.
func TestHelmChart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		values    string
		elsewhere []string
		kinds     [4]int // Secrets, budgets, StatefulSets, ServiceMonitors
	}{
		{"single", nil, [4]int{1, 0, 0, 0}},
		{"fleet", []string{"regate-state"}, [4]int{1, 1, 1, 1}},
		{"everything", []string{"registry-example-com", "regate-redis", "registry-users"}, [4]int{1, 1, 0, 1}},
		{"secret", []string{"my-regate", "my-claim"}, [4]int{0, 0, 0, 0}},
	} {
		t.Run(tt.values, func(t *testing.T) {
			if out, err := helm(t, []string{"lint", "--strict", "--quiet"}, tt.values); err != nil {
				t.Error(out, err)
			}
			m := render(t, tt.values)
			m.consistent(t, tt.elsewhere...)
			if got := [4]int{len(m.secrets), len(m.budgets), len(m.stateful), len(m.monitors)}; got != tt.kinds {
				t.Errorf("%v Secrets, PodDisruptionBudgets, StatefulSets, ServiceMonitors, want %v", got, tt.kinds)
			}
			if tt.values != "secret" {
				endsInTime(t, m, "main-regate", "main-regate-config")
			}
		})
	}
}

// endsInTime compares how long a gate may take to end with how long it takes.
func endsInTime(t *testing.T, m manifests, deployment, secret string) {
	t.Helper()
	var config struct {
		Listen struct{ Grace, Drain string }
	}
	if err := yaml.Unmarshal([]byte(m.secrets[secret].StringData["regate.yaml"]), &config); err != nil {
		t.Fatal(err)
	}
	grace, err := time.ParseDuration(cmp.Or(config.Listen.Grace, "10s"))
	if err != nil {
		t.Fatal(err)
	}
	drain, err := time.ParseDuration(cmp.Or(config.Listen.Drain, "15m"))
	if err != nil {
		t.Fatal(err)
	}
	given := time.Duration(*m.deployment[deployment].Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second
	if given < grace+drain+30*time.Second {
		t.Errorf("a gate is killed after %v, and takes up to %v", given, grace+drain)
	}
}

// TestHelmChartRefuses: what cannot work is no manifest.
func TestHelmChartRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ values, set, want string }{
		{"single", "replcas=2", "'replcas' not allowed"},
		{"single", "replicas=2", "several replicas cannot share a volume"},
		{"single", "persistence.enabled=false", "nothing keeps the state"},
		{"single", "config.listen.https=:8443", "/config/listen/https"},
		{"single", "config.listen.grace=10", "/config/listen/grace"},
		{"single", "config.state.path=/state", "/config/state/path"},
		{"single", "config.tls.mode=intern", "/config/tls/mode"},
		{"single", "config.tls.min_version=1.1", "/config/tls/min_version"},
		{"single", "config.listen.trusted_proxies={10.0.0.1/24}", "/config/listen/trusted_proxies/0"},
		{"single", "config.listen.trusted_proxies={balancer}", "/config/listen/trusted_proxies/0"},
		{"single", "config.listen.limits.connection=9", "'connection' not allowed"},
		{"single", "config.state.redis.addres={a:1}", "'addres' not allowed"},
		{"everything", "config.state.redis.addrs={a}", "/config/state/redis/addrs/0"},
		{"single", "config.log.format=text", "/config/log/format"},
		{"single", "config.registrees.x=y", "'registrees' not allowed"},
		{"single", "config.registries.main.upstream=http://x", "'upstream' not allowed"},
		{"single", "config.auth.token.refresh=false", "/config/auth/token/refresh"}, // which is what off is to Helm
		{"single", "config.registries.main.health.false=true", "/config/registries/main/health/false"},
		{"single", "files.regate\\.yaml=x", "regate.yaml"},
		{"single", "existingSecret=x", "existingSecret has the whole configuration"},
		{"single", "secrets.a/b=x", "a/b"},
		{"fleet", "config.state.redis.addrs={a:1},config.state.redis.key_file=k", "valkey is there for nobody"},
		{"fleet", "secrets.valkey=x", "secrets.valkey"},
		{"secret", "terminationGracePeriodSeconds=null", "terminationGracePeriodSeconds has to be said"},
	} {
		_, err := helm(t, []string{"template", "main"}, tt.values, "--set", tt.set)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s with %s: %v, want %q", tt.values, tt.set, err, tt.want)
		}
	}
	render(t, "single", "--set", "config.listen.trusted_proxies={10.0.0.0/24,10.1.0.7,10.0.0.16/28,10.10.0.0/15,0.0.0.0/0,2001:db8::/32,::1}",
		"--set", "config.tls.min_version=1.3", "--set", "config.listen.public_url=https://registry.example.com:8443")
	_, err := testbed.Try(testbed.Command{Program: "helm", Args: []string{"template", "main", chart}, Dir: testbed.Dir(t)})
	if err == nil || !strings.Contains(err.Error(), "config is empty") {
		t.Errorf("without any values: %v", err)
	}
}

// TestHelmChartRestarts: only what a running gate cannot take over by itself
// has new pods made.
func TestHelmChartRestarts(t *testing.T) {
	t.Parallel()
	annotation := func(more ...string) string {
		pod := render(t, "single", more...).deployment["main-regate"].Spec.Template
		return pod.Annotations["checksum/restart"]
	}
	before := annotation()
	for set, restarts := range map[string]bool{
		"config.auth.users.bob.any_password=true": false,
		"config.tls.hosts={other.example.com}":    false,
		"config.log.level=debug":                  false,
		"files.x=y":                               false,
		"config.tls.mode=acme":                    true,
		"config.listen.drain=1m":                  true,
		"config.log.format=console":               true,
		"config.auth.token.root.cert=/x":          true,
		"config.auth.token.root_file=/x":          true,
	} {
		if after := annotation("--set", set); (after != before) != restarts {
			t.Errorf("%s: restarts = %v, want %v", set, after != before, restarts)
		}
	}
	const root = "config.auth.token.root.cert=/etc/regate/root.pem,files.root\\.pem="
	if annotation("--set", root+"a") == annotation("--set", root+"b") {
		t.Error("another token root restarts nobody, and no gate takes over anything any more")
	}
}

// TestHelmChartLetsGatesOut: whoever bounds where gates connect to need not know
// where the chart's own Valkey is.
func TestHelmChartLetsGatesOut(t *testing.T) {
	t.Parallel()
	m := render(t, "fleet", "--set", "networkPolicy.egress[0].ports[0].port=53")
	m.consistent(t, "regate-state")
	valkey := m.services["main-regate-valkey"].Spec
	for _, out := range m.policies["main-regate"].Spec.Egress {
		for _, to := range out.To {
			if subset(to.PodSelector.MatchLabels, valkey.Selector) && out.Ports[0].Port.IntVal == valkey.Ports[0].Port {
				return
			}
		}
	}
	t.Error("gates do not reach their state")
}
