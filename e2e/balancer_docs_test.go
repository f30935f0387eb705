package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
	"github.com/regate/regate/e2e/tool"
)

// pageExample is a block of docs/load-balancers.md.
func pageExample(t testing.TB, kind string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(tool.Root(), "docs", "load-balancers.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "\n```"+kind+"\n")
	block, _, ends := strings.Cut(rest, "\n```\n")
	if !found || !ends {
		t.Fatalf("docs/load-balancers.md has no example of %s", kind)
	}
	return block
}

// here puts the fleet in the place of what an example stands in front of. Its
// gates are all on one machine.
func (f *fleet) here(t testing.TB, text string) string {
	t.Helper()
	plain := strings.TrimPrefix(f.gate.Plain, "http://")
	places := []string{
		"bind :443", "bind " + f.gate.Host, "bind :80", "bind " + plain,
		"listen 443", "listen " + f.gate.Host,
		"/etc/haproxy/registry.pem", f.pem, "/etc/nginx/registry.crt", f.cert, "/etc/nginx/registry.key", f.key,
		"check port 9180", "check", // each has a port of its own here
		"https://registry.example.com", f.gate.URL, ":9180", "127.0.0.1:0", "[10.0.0.11, 10.0.0.12]", "[127.0.0.1]",
	}
	asksAdmin := strings.Contains(text, "check port 9180")
	for i, g := range f.gates {
		addr := fmt.Sprintf("10.0.0.2%d", i+1)
		if asksAdmin {
			places = append(places, "\tserver gate"+fmt.Sprint(i+1)+" "+addr+":443", fmt.Sprintf("\tserver gate%d %s port %s", i+1, f.behind(i), g.AdminPort()))
		}
		places = append(places, addr+":443", f.behind(i), addr+":80", fmt.Sprintf("127.0.0.1:%d", g.PlainPort))
	}
	return strings.NewReplacer(places...).Replace(text)
}

const nginxAround = `daemon off;
pid nginx.pid;
error_log stderr info;
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
events {}
`

// startNginx starts one in front of the fleet.
func (f *fleet) startNginx(t testing.TB, config string) {
	t.Helper()
	dir := testbed.Dir(t)
	temp := ""
	for _, what := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temp += "\t" + what + "_temp_path " + filepath.Join(dir, what) + ";\n"
	}
	config = strings.Replace(config, "http {\n", "http {\n\taccess_log off;\n"+temp, 1)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(nginxAround+config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := testbed.Start(t, testbed.Command{Program: "nginx", Args: []string{"-c", file, "-p", dir}, Dir: dir})
	p.Await(t, func() error {
		res, err := f.gate.CA.HTTP().Get(f.gate.URL + "/healthz")
		if err == nil {
			res.Body.Close()
		}
		return err
	})
}

// TestBalancersOfThePage runs each balancer as docs/load-balancers.md has it.
func TestBalancersOfThePage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		proxied bool
		plain   bool // port 80 is served, too
		start   func(testing.TB, *fleet)
	}{
		{"haproxy", false, true, func(t testing.TB, f *fleet) {
			f.startHAProxy(t, pageExample(t, "haproxy"))
		}},
		{"haproxy that asks the admin address", false, true, func(t testing.TB, f *fleet) {
			first, rest, _ := strings.Cut(pageExample(t, "haproxy"), "\toption httpchk")
			_, rest, _ = strings.Cut(rest, "\tserver ")
			f.startHAProxy(t, first+pageExample(t, "haproxy-check")+"\n\tserver "+rest)
		}},
		{"nginx stream", false, false, func(t testing.TB, f *fleet) {
			f.startNginx(t, f.here(t, pageExample(t, "nginx-stream")))
		}},
		{"haproxy-http", true, false, func(t testing.TB, f *fleet) {
			f.startHAProxy(t, pageExample(t, "haproxy-http"))
		}},
		{"nginx-http", true, false, func(t testing.TB, f *fleet) {
			f.startNginx(t, f.here(t, pageExample(t, "nginx-http")))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			registry := testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Registry3})
			f := fleetPlan{gates: 2, registries: []*testbed.Registry{registry}, proxied: tt.proxied, rules: addressRules(t)}.startGates(t)
			tt.start(t, f)
			f.pushesAndPulls(t)
			if tt.plain {
				res, err := f.gate.CA.HTTP().Get(f.gate.Plain + "/somewhere")
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				if want := f.gate.URL + "/somewhere"; res.StatusCode != http.StatusPermanentRedirect || res.Header.Get("Location") != want {
					t.Errorf("http: %s, %s, want %s", res.Status, res.Header.Get("Location"), want)
				}
			}
			for i, g := range f.gates {
				if log := g.Log(); !strings.Contains(log, `"client":"`+testbed.Address+`"`) || strings.Contains(log, `"client":"127.0.0.1"`) || strings.Contains(log, "connections refused") {
					t.Errorf("log of gate %d: %s", i, log)
				}
			}
		})
	}
}

// startHAProxy starts one in front of the fleet, and waits until it has all
// gates.
func (f *fleet) startHAProxy(t testing.TB, config string) {
	t.Helper()
	// There are defaults already, where its log is.
	config = f.here(t, strings.TrimPrefix(config, "defaults\n"))
	f.Balancer = testbed.StartBalancer(t, config, f.gate.Host)
	for i := range f.gates {
		f.AwaitServer(t, fmt.Sprint("gate", i+1), "UP")
	}
}

// pushesAndPulls has clients of HTTP/1.1 and HTTP/2 do both, a large layer
// included.
func (f *fleet) pushesAndPulls(t testing.TB) {
	t.Helper()
	for _, name := range []string{"crane", "podman"} {
		c := f.client(t, name)
		if err := c.Login("admin", adminPassword); err != nil {
			t.Fatal(err)
		}
		digest, err := c.Push("team/"+name, "x")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Pull("team/" + name + ":x"); got != digest || err != nil {
			t.Errorf("%s: pull = %s, %v, want %s", name, got, err, digest)
		}
	}
	content := noise(8 << 20)
	if digest := f.putBlob(t, "team/large", content); digest != digestOf(content) {
		t.Errorf("pushed %s", digest)
	}
}

// TestGatesOfThePage has the gate look at what each gate needs.
func TestGatesOfThePage(t *testing.T) {
	t.Parallel()
	page := pageExample(t, "yaml")
	all, err := os.ReadFile(filepath.Join(tool.Root(), "docs", "load-balancers.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(all), "```yaml\n")[1:]
	if len(blocks) != 2 || !strings.HasPrefix(blocks[0], page) {
		t.Fatalf("%d examples", len(blocks))
	}
	for _, block := range blocks {
		listen, _, _ := strings.Cut(block, "```")
		if !strings.Contains(listen, "tls:") {
			listen += "tls: {hosts: [registry.example.com], mode: internal}\n"
		}
		dir := testbed.Dir(t)
		file := filepath.Join(dir, "regate.yaml")
		config := listen + "registries: {main: {upstreams: [\"http://10.0.0.31:5000\"]}}\nstate: {path: " + dir + "}\n" + addressRules(t)
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		testbed.Run(t, testbed.Command{Program: "regate", Args: []string{"check", "-c", file}, Dir: dir})
	}
}
