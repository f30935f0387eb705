package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy/upstream"
)

// permissive lets everybody in who shows anything, and remembers what it was
// asked.
type permissive struct {
	mu   sync.Mutex // guards last
	last string
}

func (p *permissive) Authorize(_ context.Context, shown oci.Shown, needs []oci.Access) (oci.Grant, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = fmt.Sprintf("%s in %q", oci.NewScope(needs...), shown.Namespace)
	if shown.Guests {
		p.last += ", guests"
	}
	if shown.Authorization.Reveal() == "" {
		return oci.Grant{}, &oci.Refusal{Reason: oci.NoToken, Msg: "authentication required"}
	}
	return oci.Grant{Subject: "ann"}, nil
}

func (p *permissive) asked() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// mirrors are registries of somebody else, at one address.
func mirrors(address string) map[string]upstream.Config {
	return map[string]upstream.Config{
		"hub":   {Kind: upstream.KindMirror, NS: "docker.io", Upstreams: []string{address}, Public: upstream.Public{Hosts: []string{"Hub.example"}, Anonymous: true}},
		"quay":  {Kind: upstream.KindMirror, NS: "quay.io", Upstreams: []string{address}, Public: upstream.Public{Hosts: []string{"quay.example"}}},
		"local": {Kind: upstream.KindMirror, NS: "localhost:5000", Upstreams: []string{address}, Public: upstream.Public{Prefix: "local5000"}},
	}
}

const alpine = "library/alpine/manifests/3"

// addressTests are the ways in which clients ask for what is somebody else's.
var addressTests = []struct {
	name, host, target string
	wantSeen           string // by the registry; "" is none
	wantAsked          string // the Authorizer
	wantRepo           string // in the log
	wantChallenge      string // service and scope of somebody without a token
}{
	{"path", "gate.example", "/v2/docker.io/" + alpine, "hub /v2/" + alpine, `repository:docker.io/library/alpine:pull in ""`, "docker.io/library/alpine", `service="clients",scope="repository:docker.io/library/alpine:pull"`},
	{"ns", "gate.example", "/v2/" + alpine + "?ns=docker.io", "hub /v2/" + alpine, `repository:docker.io/library/alpine:pull in "docker.io"`, "docker.io/library/alpine", `service="clients/docker.io",scope="repository:library/alpine:pull"`},
	{"ns in capitals", "gate.example", "/v2/" + alpine + "?ns=Docker.IO", "hub /v2/" + alpine, `repository:docker.io/library/alpine:pull in "docker.io"`, "docker.io/library/alpine", `service="clients/docker.io"`},
	{"ns and path", "gate.example", "/v2/docker.io/" + alpine + "?ns=docker.io", "hub /v2/" + alpine, `repository:docker.io/library/alpine:pull in "docker.io"`, "docker.io/library/alpine", `service="clients/docker.io",scope="repository:docker.io/library/alpine:pull"`},
	{"host", "hub.example", "/v2/" + alpine, "hub /v2/" + alpine, `repository:docker.io/library/alpine:pull in "docker.io", guests`, "docker.io/library/alpine", `service="clients/docker.io",scope="repository:library/alpine:pull"`},
	{"host with a port, in capitals", "HUB.example:8443", "/v2/" + alpine, "hub /v2/" + alpine, `repository:docker.io/library/alpine:pull in "docker.io", guests`, "docker.io/library/alpine", `service="clients/docker.io"`},
	{"host and path", "hub.example", "/v2/docker.io/" + alpine, "hub /v2/" + alpine, `repository:docker.io/library/alpine:pull in "docker.io", guests`, "docker.io/library/alpine", `service="clients/docker.io",scope="repository:docker.io/library/alpine:pull"`},
	{"host and its ns", "hub.example", "/v2/" + alpine + "?ns=docker.io", "hub /v2/" + alpine, `repository:docker.io/library/alpine:pull in "docker.io", guests`, "docker.io/library/alpine", `service="clients/docker.io"`},
	{"host that names itself", "hub.example", "/v2/" + alpine + "?ns=hub.example", "hub /v2/" + alpine, `repository:docker.io/library/alpine:pull in "docker.io", guests`, "docker.io/library/alpine", `service="clients/docker.io"`},
	{"host and another ns", "hub.example", "/v2/" + alpine + "?ns=quay.io", "quay /v2/" + alpine, `repository:quay.io/library/alpine:pull in "quay.io"`, "quay.io/library/alpine", `service="clients/quay.io"`},
	{"host where nobody is a guest", "quay.example", "/v2/" + alpine, "quay /v2/" + alpine, `repository:quay.io/library/alpine:pull in "quay.io"`, "quay.io/library/alpine", `service="clients/quay.io"`},
	{"port in the ns", "gate.example", "/v2/" + alpine + "?ns=localhost:5000", "local /v2/" + alpine, `repository:local5000/library/alpine:pull in "localhost:5000"`, "local5000/library/alpine", `service="clients/localhost:5000",scope="repository:library/alpine:pull"`},
	{"prefix for a port", "gate.example", "/v2/local5000/" + alpine, "local /v2/" + alpine, `repository:local5000/library/alpine:pull in ""`, "local5000/library/alpine", `service="clients",scope="repository:local5000/library/alpine:pull"`},
	{"unknown ns", "gate.example", "/v2/" + alpine + "?ns=evil.example", "", "", "library/alpine", ""},
	{"unknown ns on the host of another", "hub.example", "/v2/" + alpine + "?ns=evil.example", "", "", "library/alpine", ""},
	{"prefix as a ns", "gate.example", "/v2/" + alpine + "?ns=local5000", "", "", "library/alpine", ""},
	{"what is ours", "gate.example", "/v2/" + alpine, "main /v2/" + alpine, `repository:library/alpine:pull in ""`, "library/alpine", `service="clients",scope="repository:library/alpine:pull"`},
	{"what is ours by name", "gate.example", "/v2/" + alpine + "?ns=gate.example", "main /v2/" + alpine, `repository:library/alpine:pull in ""`, "library/alpine", `service="clients"`},
	{"ping", "gate.example", "/v2/", "", ` in ""`, "", `service="clients"`},
	{"ping of a host", "hub.example", "/v2/", "", ` in "docker.io", guests`, "", `service="clients/docker.io"`},
	{"ping with ns", "gate.example", "/v2/?ns=quay.io", "", ` in "quay.io"`, "", `service="clients/quay.io"`},
}

func TestEachAddressIsOneName(t *testing.T) {
	seen := make(chan string, 1)
	serve := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/" {
				seen <- name + " " + r.RequestURI
			}
			_, _ = io.WriteString(w, "it")
		}
	}
	auth := new(permissive)
	more := mirrors("")
	for name, c := range more {
		s := httptest.NewServer(serve(name))
		t.Cleanup(s.Close)
		c.Upstreams = []string{s.URL}
		more[name] = c
	}
	g := newRig(t, serve("main"), setup{more: more, auth: auth})
	ask := func(host, target, authorization string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.URL+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		if authorization != "" {
			req.Header.Set("Authorization", authorization)
		}
		res, err := g.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res
	}
	for _, tt := range addressTests {
		t.Run(tt.name, func(t *testing.T) {
			auth.last = ""
			g.forget()
			res := ask(tt.host, tt.target, "Bearer x")
			got := ""
			select {
			case got = <-seen:
			default:
			}
			if got != tt.wantSeen || tt.wantAsked == "" && res.StatusCode != 404 {
				t.Errorf("%s, the registries saw %q, want %q", res.Status, got, tt.wantSeen)
			}
			if got := auth.asked(); got != tt.wantAsked {
				t.Errorf("asked %s, want %s", got, tt.wantAsked)
			}
			if line := g.line(t); fmt.Sprint(line["repo"]) != tt.wantRepo && !(tt.wantRepo == "" && line["repo"] == nil) {
				t.Errorf("logged %v, want %s", line["repo"], tt.wantRepo)
			}
			if tt.wantAsked == "" {
				return
			}
			if got := ask(tt.host, tt.target, "").Header.Get("Www-Authenticate"); !strings.Contains(got, tt.wantChallenge) {
				t.Errorf("challenge %s, want %s", got, tt.wantChallenge)
			}
		})
	}
}

// TestAGateOfMirrorsAlone has no registry that is ours: clients still ask /v2/
// for where to log in.
func TestAGateOfMirrorsAlone(t *testing.T) {
	table, err := NewTable(nil, pools(t, mirrors("http://127.0.0.1:1")))
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]string{
		"/v2/": "hub", "/v2/_catalog": "hub", "/v2/docker.io/a/tags/list": "hub", "/v2/quay.io/a/tags/list": "quay", "/v2/a/tags/list": "",
	} {
		req, err := oci.Parse("GET", target)
		if err != nil {
			t.Fatal(err)
		}
		r, err := table.Find("gate.example", req)
		if got := fmt.Sprint(r.Route != nil && r.Registry == want, err == nil); got != fmt.Sprint(want != "", want != "") {
			t.Errorf("Find(%s) = %v, %v, want %q", target, r, err, want)
		}
	}
}

var mirrorRouteTests = []struct {
	name   string
	routes []RouteConfig
	want   string
}{
	{"none", nil, ""},
	{"its own", []RouteConfig{{Namespace: "docker.io", Registry: "hub"}, {Registry: "main"}}, ""},
	{"part of it elsewhere", []RouteConfig{{Namespace: "docker.io", Repository: "acme/**", Registry: "main", Add: "hub"}}, ""},
	{"ns with a port", []RouteConfig{{Namespace: "localhost:5000", Repository: "acme/**", Registry: "main", Add: "hub"}}, ""},
	{"pushes elsewhere", []RouteConfig{{Namespace: "docker.io", Actions: []string{"push", "delete"}, Registry: "main", Add: "hub"}}, ""},
	{"its names without ns", []RouteConfig{{Repository: "docker.io/**", Registry: "hub", Strip: "docker.io"}, {Registry: "main"}}, "[0].registry: hub is the mirror of docker.io, and needs no route: its repositories are docker.io/…"},
	{"its prefix without ns", []RouteConfig{{Repository: "local5000/**", Registry: "local", Strip: "local5000"}, {Registry: "main"}}, "[0].registry: local is the mirror of localhost:5000, and needs no route: its repositories are local5000/…"},
	{"another name", []RouteConfig{{Repository: "hub/**", Registry: "hub", Strip: "hub"}, {Registry: "main"}}, "[0].registry: hub is the mirror of docker.io, and needs no route"},
	{"its prefix for ours", []RouteConfig{{Repository: "local5000/**", Registry: "main"}}, "[0]: can never match, because what begins with local5000/ is of localhost:5000"},
	{"as another", []RouteConfig{{Namespace: "quay.io", Registry: "hub"}}, "[0]: would have ** of registry \"hub\" under the name quay.io/**, and the mirror hub has it as docker.io/**"},
	{"its host for ours", []RouteConfig{{Host: "hub.example", Registry: "main"}}, "[0]: can never match, because its host is for what is of docker.io alone"},
	{"its host for another", []RouteConfig{{Host: "Hub.example", Namespace: "quay.io", Repository: "a/**", Registry: "main", Add: "x"}}, "[0]: can never match, because its host is for what is of docker.io alone"},
	{"its host for it", []RouteConfig{{Host: "hub.example", Namespace: "docker.io", Repository: "a/**", Registry: "main", Add: "x"}}, ""},
}

// A mirror that has mistakes of its own is no reason to find others in routes,
// and none to panic: a reload reads what somebody is just typing.
func TestRoutesBesideAMirrorWithMistakes(t *testing.T) {
	for name, c := range map[string]upstream.Config{
		"ns with a scheme":         {Kind: upstream.KindMirror, NS: "https://docker.io"},
		"ns with a port, alone":    {Kind: upstream.KindMirror, NS: "localhost:5000"},
		"no ns":                    {Kind: upstream.KindMirror},
		"a kind that is none":      {Kind: "cache", NS: "docker.io"},
		"a prefix that is no name": {Kind: upstream.KindMirror, NS: "docker.io", Public: upstream.Public{Prefix: "Hub/"}},
	} {
		t.Run(name, func(t *testing.T) {
			all := map[string]upstream.Config{"main": registries["main"], "hub": c}
			for _, routes := range [][]RouteConfig{nil, {{Registry: "main"}}, {{Repository: "a/**", Registry: "hub"}, {Registry: "main"}}} {
				if err := ValidateRoutes(routes, all); err != nil {
					t.Errorf("%v: %v", routes, err)
				}
			}
			if err := ValidateRoutes([]RouteConfig{{Registry: "man"}}, all); err == nil {
				t.Error("a route to nowhere is not told")
			}
		})
	}
}

func TestRoutesOfMirrors(t *testing.T) {
	all := mirrors("http://127.0.0.1:1")
	all["main"] = registries["main"]
	for _, tt := range mirrorRouteTests {
		t.Run(tt.name, func(t *testing.T) {
			err := ValidateRoutes(tt.routes, all)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)) {
				t.Errorf("ValidateRoutes: %v; want %s", err, tt.want)
			}
		})
	}
}

// TestCatalogAndNamespaces has registries of ours behind namespaces, which are
// listed, and mirrors, which are not even asked.
func TestCatalogAndNamespaces(t *testing.T) {
	remote := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v2/") {
			t.Errorf("a registry of somebody else was asked %s", r.URL)
		}
	}))
	t.Cleanup(remote.Close)
	more := mirrors(remote.URL)
	more["kept"] = upstream.Config{Upstreams: []string{serveCatalog(t, "library/alpine", "other/x")}}
	g := newRig(t, catalogOf("team/app", "docker.io/hidden", "cache/a/b"), setup{
		catalog: Catalog{Lister: seers{}}, more: more,
		routes: []RouteConfig{
			{Namespace: "ghcr.io", Registry: "kept"},
			{Namespace: "docker.io", Repository: "a/*", Registry: "main", Add: "cache"},
			{Repository: "team/**", Registry: "main"},
			{Repository: "docker.io", Registry: "main"},
		},
	})
	for path, want := range map[string]string{
		"/v2/_catalog":              "[docker.io/a/b ghcr.io/library/alpine ghcr.io/other/x team/app]",
		"/v2/_catalog?ns=ghcr.io":   "[ghcr.io/library/alpine ghcr.io/other/x]",
		"/v2/_catalog?ns=docker.io": "[docker.io/a/b]",
		"/v2/_catalog?ns=quay.io":   "[]",
	} {
		if names, _ := g.pageThrough(t, "everything", path); fmt.Sprint(names) != want {
			t.Errorf("%s: %v, want %s", path, names, want)
		}
	}
	if names, _ := g.pageThrough(t, "ghcr.io/o", "/v2/_catalog?n=1&ns=ghcr.io"); fmt.Sprint(names) != "[ghcr.io/other/x]" {
		t.Errorf("somebody who may see one: %v", names)
	}
}
