package e2e

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/client"
	"github.com/regate/regate/e2e/testbed"
)

// TestOneNameManyRegistries has clients work with three registries under one
// host, none of which knows a repository by the name that they say: one beside
// another store, one that takes pushes, and one that reads the same store for
// whoever pulls.
func TestOneNameManyRegistries(t *testing.T) {
	t.Parallel()
	e := startEngines(t)
	for _, m := range []mode{modes[0], ownService, modes[3]} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			o := startOneName(t, m, e)
			for _, name := range clientsOfRoutes(m) {
				t.Run(name, func(t *testing.T) {
					o.strip(t, name)
					o.push(t, name)
					o.move(t, name)
				})
			}
			o.tags(t)
			o.namespace(t)
		})
	}
}

func clientsOfRoutes(m mode) []string {
	if m.name == "none" {
		return []string{"docker", "ctr", "podman", "crane", "regctl", "oras", "helm"}
	}
	return []string{"docker", "podman", "crane"}
}

// ownService is mode token with a service for each registry: REGISTRY stands
// for its name.
var ownService = mode{
	name: "token",
	gate: func(testing.TB) string { return "{mode: token, issuer: regate-upstream, service: REGISTRY}" },
	registry: func(t testing.TB, g *testbed.Gate) string {
		return testbed.TokenAuth(g.URL+"/auth", "regate-upstream", "REGISTRY", g.TokenRoot(t))
	},
}

// A oneName is a gate with several registries under its one name.
type oneName struct {
	*site
	vendor, writer, reader *testbed.Registry
}

func startOneName(t *testing.T, m mode, e engines) *oneName {
	t.Helper()
	g := testbed.NewGate(t, testbed.NewCA(t))
	store, addr, section := filepath.Join(testbed.Dir(t), "store"), make(map[string]string), ""
	for _, name := range []string{"vendor", "writer", "reader"} {
		addr[name] = testbed.LocalAddr()
		section += fmt.Sprintf("  %s: {upstreams: [\"http://%s\"], auth: %s}\n", name, addr[name], strings.Replace(m.gate(t), "REGISTRY", name, 1))
	}
	g.Configure(t, "registries:\n"+section+`
routes:
  - {ns: images.example, repository: "hub/**", registry: vendor, strip: hub/, add: images/}
  - {repository: "hub/**", registry: vendor, strip: hub/, add: mirrored/}
  - {repository: "old/*", registry: vendor, strip: old/, add: moved/here}
  - {repository: "pub/app", registry: vendor, rename: elsewhere}
  - {repository: "team/**", actions: [pull], registry: reader, add: prod}
  - {repository: "team/**", registry: writer, add: prod}
`+fmt.Sprintf(`
auth:
  token: {issuer: regate, service: registry, expiration: 900}
  users: {"dev": {password: %q}}
  acl:
    - {match: {account: dev, name: "hub/*"}, actions: ["*"]}
    - {match: {account: dev, name: "images.example/hub/*"}, actions: ["*"]}
    - {match: {account: dev, name: "old/*"}, actions: ["*"]}
    - {match: {account: dev, name: "pub/*"}, actions: ["*"]}
    - {match: {account: dev, name: "team/*"}, actions: ["*"]}
`, testbed.Bcrypt(t, devPassword)))
	start := func(name string, v testbed.Version, store string) *testbed.Registry {
		auth := strings.Replace(m.registry(t, g), "REGISTRY", name, 1)
		return testbed.StartRegistry(t, testbed.RegistryConfig{Version: v, Addr: addr[name], Auth: auth, Store: store})
	}
	o := &oneName{
		vendor: start("vendor", testbed.Registry2, ""),
		writer: start("writer", testbed.Registry3, store),
		reader: start("reader", testbed.Registry3, store),
	}
	g.Start(t)
	o.site = &site{gate: g, registry: o.vendor, engines: e}
	return o
}

// at is the site with one of its registries.
func (o *oneName) at(r *testbed.Registry) *site {
	return &site{gate: o.gate, registry: r, engines: o.engines}
}

func (o *oneName) login(t *testing.T, name string) client.Client {
	t.Helper()
	c := o.client(t, name)
	if err := c.Login("dev", devPassword); err != nil {
		t.Fatal(err)
	}
	return c
}

// cycle pushes, pulls and deletes, and returns the client and the digest.
func (o *oneName) cycle(t *testing.T, name, repo string) (client.Client, string) {
	t.Helper()
	c := o.login(t, name)
	digest, err := c.Push(repo, version)
	if err != nil {
		t.Fatalf("push %s: %v", repo, err)
	}
	for _, ref := range []string{repo + ":" + version, repo + "@" + digest} {
		if got, err := c.Pull(ref); err != nil || got != digest {
			t.Fatalf("pull %s: %s, %v; want %s", ref, got, err, digest)
		}
	}
	return c, digest
}

// strip works in a repository that the registry keeps in another place, and
// mounts from there: within the registry, and to another, which has to be sent
// the layers.
func (o *oneName) strip(t *testing.T, name string) {
	vendor, writer := o.at(o.vendor), o.at(o.writer)
	repo := "hub/" + name
	c, digest := o.cycle(t, name, repo)
	if !vendor.saw("PUT", "/v2/mirrored/"+name+"/manifests/"+version, 201) {
		t.Errorf("the registry has not seen a push to mirrored/%s", name)
	}
	if m, can := c.(client.Mounter); can {
		if err := m.Mount(repo+":"+version, "old/"+name+":"+version); err != nil {
			t.Fatalf("mount across routes: %v", err)
		}
		if !vendor.mounted("moved/here/" + name) {
			t.Error("no layer was mounted across routes of one registry")
		}
		if err := m.Mount(repo+":"+version, "team/"+name+"-copy:"+version); err != nil {
			t.Fatalf("mount across registries: %v", err)
		}
		if writer.mounted("prod/team/" + name + "-copy") {
			t.Error("a registry has mounted what another one has")
		}
		if got, err := c.Pull("team/" + name + "-copy:" + version); err != nil || got != digest {
			t.Errorf("pull of the copy: %s, %v", got, err)
		}
	}
	if d, can := c.(client.Deleter); can {
		if err := d.Delete(repo, digest); err != nil {
			t.Fatalf("delete: %v", err)
		}
		if _, err := c.Pull(repo + "@" + digest); err == nil {
			t.Error("what was deleted is still there")
		} else if strings.Contains(err.Error(), "mirrored") {
			t.Errorf("the client learns of the registry's name: %v", err)
		}
	}
}

// push pushes to one registry what is pulled from another.
func (o *oneName) push(t *testing.T, name string) {
	repo := "team/" + name
	o.cycle(t, name, repo)
	manifest := "/v2/prod/" + repo + "/manifests/"
	if !o.at(o.writer).saw("PUT", manifest+version, 201) || o.at(o.reader).saw("PUT", manifest+version, 201) {
		t.Error("the push has gone to the wrong registry")
	}
	if log := o.reader.Log(); !strings.Contains(log, manifest) {
		t.Error("nothing was pulled from the registry for pulls")
	}
	if log := o.writer.Log(); strings.Contains(log, `"GET `+manifest) {
		t.Error("a pull has gone to the registry for pushes")
	}
}

// move works with a repository that has moved, under its old name.
func (o *oneName) move(t *testing.T, name string) {
	o.cycle(t, name, "pub/app")
	if !o.at(o.vendor).saw("PUT", "/v2/elsewhere/manifests/"+version, 201) {
		t.Error("the registry has not seen a push to elsewhere")
	}
}

// namespace has containerd ask the gate in the place of another registry, which
// it names in each request, for what crane has pushed with that before its name;
// and in the place of one that the gate knows nothing of.
func (o *oneName) namespace(t *testing.T) {
	digest, err := o.login(t, "crane").Push("images.example/hub/named", version)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := o.named(t, "images.example").Pull("hub/named:" + version); err != nil || got != digest {
		t.Errorf("pull from another registry: %s, %v; want %s", got, err, digest)
	}
	if _, err := o.named(t, "unknown.example").Pull("hub/named:" + version); err == nil {
		t.Error("pulled from a registry that nobody knows")
	}
	if !strings.Contains(o.gate.Log(), "nothing of the registry unknown.example is here") {
		t.Error("the gate has not been asked for unknown.example")
	}
}

// named is containerd with images of a registry for which the gate is the mirror.
func (o *oneName) named(t *testing.T, registry string) client.Client {
	t.Helper()
	c, err := client.New("ctr", client.Env{
		Home: testbed.Dir(t), Host: o.gate.Host, CA: o.gate.CA.File, Containerd: o.engines.containerd, Namespace: registry,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Login("dev", devPassword); err != nil {
		t.Fatal(err)
	}
	return c
}

// tags lists those of registry:2, which neither sorts nor cuts them.
func (o *oneName) tags(t *testing.T) {
	c := o.login(t, "crane")
	for _, tag := range []string{"b", "c", "a"} {
		if _, err := c.Push("hub/tagged", tag); err != nil {
			t.Fatal(err)
		}
	}
	path := "/v2/hub/tagged/tags/list"
	for _, tt := range []struct{ query, want, link string }{
		{"", `{"name":"hub/tagged","tags":["a","b","c"]}`, ""},
		{"?n=2", `{"name":"hub/tagged","tags":["a","b"]}`, "<" + o.gate.URL + path + `?last=b&n=2>; rel="next"`},
		{"?n=2&last=b", `{"name":"hub/tagged","tags":["c"]}`, ""},
	} {
		status, body, h := o.get(t, path+tt.query)
		if status != 200 || strings.TrimSpace(body) != tt.want || h.Get("Link") != tt.link {
			t.Errorf("tags%s: %d %s link %s, want %s link %s", tt.query, status, body, h.Get("Link"), tt.want, tt.link)
		}
	}
	for _, path := range []string{"/v2/hub/tagged/manifests/absent", "/v2/hub/absent/tags/list", "/v2/hub/tagged/referrers/sha256:" + strings.Repeat("0", 64)} {
		if status, body, h := o.get(t, path); status != 404 || strings.Contains(fmt.Sprint(body, h), "mirrored") {
			t.Errorf("%s: %d %s %v", path, status, body, h)
		}
	}
}

// get is a request of dev's for something in hub/.
func (o *oneName) get(t *testing.T, path string) (status int, body string, h http.Header) {
	t.Helper()
	req, err := http.NewRequest("GET", o.gate.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	repo := strings.Join(strings.Split(path, "/")[2:4], "/")
	req.Header.Set("Authorization", "Bearer "+o.token(t, "dev", devPassword, "repository:"+repo+":pull"))
	res, err := o.gate.CA.HTTP().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text), res.Header
}
