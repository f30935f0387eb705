package proxy

import (
	"strings"
	"testing"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy/upstream"
)

var (
	no = false

	registries = map[string]upstream.Config{
		"main": {Upstreams: []string{"http://127.0.0.1:1"}},
		"hub":  {Upstreams: []string{"http://127.0.0.1:2"}},
		"far":  {Upstreams: []string{"http://127.0.0.1:4"}},
		"free": {Upstreams: []string{"http://127.0.0.1:3"}, Auth: upstream.Trust{Mode: upstream.ModeForward, Check: &no}},
	}
)

func pools(t *testing.T, configs map[string]upstream.Config) map[string]*upstream.Pool {
	t.Helper()
	all := make(map[string]*upstream.Pool)
	for name, c := range configs {
		p, err := upstream.New(c, upstream.Options{Minter: mint})
		if err != nil {
			t.Fatal(err)
		}
		all[name] = p
	}
	return all
}

func TestFind(t *testing.T) {
	table, err := NewTable([]RouteConfig{
		{Host: "Free.example", Registry: "free"},
		{Host: "one.example", Repository: "hub/**", Registry: "hub"},
		{Host: "one.example", Repository: "team/*", Registry: "main"},
		{Host: "::1", Registry: "hub"},
		{Host: "*.wild.example", Repository: "team/*", Registry: "hub"},
		{Host: "push.example", Actions: []string{"push"}, Registry: "hub"},
		{Namespace: "Docker.io", Registry: "far"},
		{Repository: "any/*", Registry: "main"},
	}, pools(t, registries))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ host, target, want string }{
		{"free.example", "/v2/team/app/tags/list", "free"},
		{"FREE.example:8443", "/v2/", "free"},
		{"free.example", "/v2/_catalog", "free"},
		{"one.example:443", "/v2/hub/library/alpine/tags/list", "hub"},
		{"one.example", "/v2/team/app/tags/list", "main"},
		{"one.example", "/v2/any/app/tags/list", "main"},
		{"one.example", "/v2/other/app/tags/list", ""},
		{"one.example", "/v2/", "hub"},
		{"two.example", "/v2/team/app/tags/list", ""},
		{"two.example", "/v2/any/app/tags/list", "main"},
		{"[::1]:8443", "/v2/team/app/tags/list", "hub"},
		{"[::1]", "/v2/team/app/tags/list", "hub"},
		{"[::2]:8443", "/v2/team/app/tags/list", ""},
		{"push.example", "/v2/", "hub"},
		{"push.example", "/v2/_catalog", "main"},
		{"x.wild.example", "/v2/team/app/tags/list", "hub"},
		{"wild.example", "/v2/team/app/tags/list", ""},
		{"x.y.wild.example", "/v2/team/app/tags/list", ""},
		{"two.example", "/v2/any/app/tags/list?ns=two.example", "main"},
		{"two.example:5000", "/v2/any/app/tags/list?ns=TWO.example:5000", "main"},
		{"two.example", "/v2/any/app/tags/list?ns=docker.io", "far"},
		{"two.example", "/v2/other/app/tags/list?ns=docker.io", "far"},
		{"two.example", "/v2/any/app/tags/list?ns=DOCKER.io", "far"},
		{"two.example", "/v2/docker.io/any/app/tags/list", "far"},
		{"one.example", "/v2/docker.io/hub/app/tags/list", "far"},
		{"two.example", "/v2/docker.io/tags/list", ""},
		{"two.example", "/v2/_catalog?ns=docker.io", "far"},
		{"two.example", "/v2/any/app/tags/list?ns=evil.example", ""},
		{"two.example", "/v2/_catalog?ns=evil.example", ""},
	} {
		req, err := oci.Parse("GET", tt.target)
		if err != nil {
			t.Fatal(err)
		}
		r, err := table.Find(tt.host, req)
		got := ""
		if err == nil {
			got = r.Registry
		} else if oci.AsError(err).Kind != oci.UnknownName {
			t.Errorf("Find(%s, %s): %v", tt.host, tt.target, err)
		}
		if got != tt.want {
			t.Errorf("Find(%s, %s) = %q, want %q", tt.host, tt.target, got, tt.want)
		}
	}
}

func TestOnlyRegistryNeedsNoRoute(t *testing.T) {
	table, err := NewTable(nil, pools(t, map[string]upstream.Config{"main": registries["main"]}))
	if err != nil {
		t.Fatal(err)
	}
	req, _ := oci.Parse("GET", "/v2/team/app/tags/list")
	if r, err := table.Find("any", req); err != nil || r.Registry != "main" {
		t.Errorf("Find() = %v, %v", r, err)
	}
}

var validateTests = []struct {
	name   string
	routes []RouteConfig
	want   string // of each problem, the path and some words; "" is none
}{
	{"none for several", nil, "there are 4 registries"},
	{"no registry", []RouteConfig{{Host: "a"}}, "[0].registry: is missing"},
	{"unknown registry", []RouteConfig{{Registry: "man"}}, `[0].registry: there is no registry "man"`},
	{"misspelt registry", []RouteConfig{{Registry: "mian"}}, `[0].registry: there is no registry "mian"; did you mean main?`},
	{"regular expression", []RouteConfig{{Repository: "/^team\\/.*$/", Registry: "main"}}, "[0].repository: it is a regular expression, which only auth.acl has; a pattern is"},
	{"another name of Docker Hub", []RouteConfig{{Namespace: "index.docker.io", Registry: "hub"}}, "[0].ns: index.docker.io is Docker Hub, which clients call docker.io; use ns: docker.io"},
	{"port", []RouteConfig{{Host: "a:443", Registry: "main"}}, "[0].host: "},
	{"scheme", []RouteConfig{{Host: "https://a", Registry: "main"}}, "[0].host: "},
	{"address", []RouteConfig{{Host: "::1", Registry: "main"}}, ""},
	{"upper case in a pattern", []RouteConfig{{Repository: "Team/*", Registry: "main"}}, "[0].repository: "},
	{"stars beside text", []RouteConfig{{Repository: "team**", Registry: "main"}}, "[0].repository: ** must stand"},
	{"slash at the end", []RouteConfig{{Repository: "team/", Registry: "main"}}, "[0].repository: it has an empty"},
	{"never reached", []RouteConfig{{Registry: "main"}, {Host: "a", Registry: "hub"}}, "[1]: can never match, because routes[0]"},
	{"same twice", []RouteConfig{{Repository: "a/*", Registry: "main"}, {Repository: "a/*", Registry: "hub"}}, "[1]: can never match"},
	{"covered by a wider pattern", []RouteConfig{{Repository: "a/**", Registry: "main"}, {Repository: "a/*/c", Registry: "hub"}}, "[1]: can never match"},
	{"covered by a wildcard", []RouteConfig{{Host: "*.b", Registry: "main"}, {Host: "a.B", Registry: "hub"}}, "[1]: can never match"},
	{"wildcard after a host of it", []RouteConfig{{Host: "a.b", Registry: "main"}, {Host: "*.b", Registry: "hub"}}, ""},
	{"host without a label", []RouteConfig{{Host: "*.", Registry: "main"}}, "[0].host: "},
	{"star within a host", []RouteConfig{{Host: "a.*.b", Registry: "main"}}, "[0].host: "},
	{"other actions", []RouteConfig{{Actions: []string{"push", "delete"}, Registry: "main"}, {Registry: "hub"}}, ""},
	{"no action left", []RouteConfig{{Actions: []string{"push", "pull"}, Registry: "main"}, {Actions: []string{"push"}, Registry: "hub"}}, "[1]: can never match"},
	{"unknown action", []RouteConfig{{Actions: []string{"pull", "read"}, Registry: "main"}}, "[0].actions[1]: \"read\" is none of"},
	{"star for an action", []RouteConfig{{Actions: []string{"*"}, Registry: "main"}}, "[0].actions[0]: \"*\" is none of"},
	{"other namespace", []RouteConfig{{Namespace: "docker.io", Registry: "hub"}, {Registry: "main"}}, ""},
	{"namespace with a scheme", []RouteConfig{{Namespace: "https://docker.io", Registry: "hub"}}, "[0].ns: "},
	{"strip", []RouteConfig{{Repository: "hub/**", Registry: "hub", Strip: "hub/"}, {Registry: "main"}}, ""},
	{"strip without a pattern", []RouteConfig{{Registry: "main", Strip: "hub/"}}, "[0].strip: not every name"},
	{"strip of a part", []RouteConfig{{Repository: "hub-*/**", Registry: "main", Strip: "hub-"}}, "[0].strip: \"hub-\" is not made of"},
	{"strip of a pattern", []RouteConfig{{Repository: "*/app", Registry: "main", Strip: "hub/"}}, "[0].strip: not every name"},
	{"strip of everything", []RouteConfig{{Repository: "hub/app", Registry: "main", Strip: "hub/app"}}, "[0].strip: not every name"},
	{"add of no name", []RouteConfig{{Registry: "main", Add: "../"}}, "[0].add: \"../\" is not made of"},
	{"rename of many", []RouteConfig{{Repository: "a/*", Registry: "main", Rename: "b"}}, "[0].rename: is one name, so"},
	{"rename of all", []RouteConfig{{Registry: "main", Rename: "b"}}, "[0].rename: is one name, so"},
	{"rename and strip", []RouteConfig{{Repository: "a/b", Registry: "main", Rename: "b", Strip: "a"}}, "[0].rename: gives the whole name"},
	{"rename to a beginning", []RouteConfig{{Repository: "a/b", Registry: "main", Rename: "b/"}}, "[0].rename: \"b/\" is a beginning"},
	{"alias", []RouteConfig{{Repository: "old/app", Registry: "main", Rename: "new/app"}, {Repository: "team/**", Registry: "main"}}, ""},
	{"alias beside the name", []RouteConfig{{Repository: "old/app", Registry: "main", Rename: "new/app"}, {Registry: "main"}}, "[1]: would have new/app of registry \"main\" under that name, and routes[0] has it as old/app; a repository has one name only"},
	{"alias beside a name that is hidden", []RouteConfig{{Repository: "old/app", Registry: "main", Rename: "new/app"}, {Repository: "new/*", Registry: "hub"}, {Registry: "main"}}, ""},
	{"alias beside a name that is hidden in part", []RouteConfig{{Repository: "old/app", Registry: "main", Rename: "new/app"}, {Repository: "new/*", Actions: []string{"pull"}, Registry: "hub"}, {Registry: "main"}}, "[2]: would have new/app of"},
	{"alias beside a name that was hidden before", []RouteConfig{{Repository: "new/a*", Registry: "hub"}, {Repository: "new/**", Registry: "main"}, {Repository: "old/abc", Registry: "main", Rename: "new/abc"}}, ""},
	{"two aliases", []RouteConfig{{Repository: "a", Registry: "main", Rename: "c"}, {Repository: "b", Registry: "main", Rename: "c"}}, "[1]: would have c of registry \"main\" under the name b, and routes[0] has it as a"},
	{"aliases of two registries", []RouteConfig{{Repository: "a", Registry: "main", Rename: "c"}, {Repository: "b", Registry: "hub", Rename: "c"}}, ""},
	{"one name on two hosts", []RouteConfig{{Host: "a", Registry: "main", Add: "x"}, {Host: "b", Registry: "main", Add: "x/"}}, ""},
	{"two names on two hosts", []RouteConfig{{Host: "a", Registry: "main", Add: "x"}, {Host: "b", Registry: "main"}}, "[1]: would have x/** of registry"},
	{"two names by glob", []RouteConfig{{Repository: "a/x-*", Registry: "main", Strip: "a"}, {Repository: "b/*-y", Registry: "main", Strip: "b"}}, "[1]: would have *-y of registry"},
	{"names apart by glob", []RouteConfig{{Repository: "a/x-*", Registry: "main", Strip: "a"}, {Repository: "b/y-*", Registry: "main", Strip: "b"}}, ""},
	{"unchecked with another name", []RouteConfig{{Host: "f", Registry: "free", Add: "x"}}, "[0]: registry \"free\" is not checked (check: false), so its names"},
	{"unchecked for pulls", []RouteConfig{{Host: "f", Registry: "free", Actions: []string{"pull"}}}, "[0].repository: registry \"free\" is not checked"},
	{"unchecked as a mirror", []RouteConfig{{Host: "f", Namespace: "docker.io", Registry: "free"}, {Registry: "main"}}, "[0].ns: registry \"free\" is not checked"},
	{"namespace with a port", []RouteConfig{{Namespace: "localhost:5000", Registry: "hub"}}, "[0].ns: \"localhost:5000\" is not the name of a registry, such as docker.io; one with a port"},
	{"names within a namespace", []RouteConfig{{Repository: "docker.io/library/**", Registry: "main"}, {Namespace: "docker.io", Registry: "hub"}}, "[0]: can never match, because what begins with docker.io/ is of docker.io; write ns"},
	{"name of a namespace", []RouteConfig{{Repository: "docker.io", Registry: "main"}, {Namespace: "docker.io", Registry: "hub"}}, ""},
	{"a namespace in parts", []RouteConfig{{Namespace: "docker.io", Repository: "acme/**", Registry: "main"}, {Namespace: "docker.io", Registry: "hub"}}, ""},
	{"a namespace and its names", []RouteConfig{{Namespace: "docker.io", Registry: "main"}, {Registry: "main"}}, "[1]: would have ** of registry \"main\" under that name, and routes[0] has it as docker.io/**"},
	{"a namespace where its names lead as well", []RouteConfig{{Namespace: "docker.io", Registry: "main", Add: "docker.io"}, {Registry: "main"}}, ""},
	{"unchecked after a wildcard", []RouteConfig{{Host: "*.b", Repository: "x/*", Registry: "main"}, {Host: "a.b", Registry: "free"}}, "[1].host: registry \"free\" is not checked"},
	{"unchecked on a host of its own", []RouteConfig{{Host: "f", Registry: "free"}, {Registry: "main"}}, ""},
	{"unchecked after another host", []RouteConfig{{Host: "a", Registry: "main"}, {Registry: "free"}}, ""},
	{"unchecked in part", []RouteConfig{{Host: "f", Repository: "a/*", Registry: "free"}}, "[0].repository: registry \"free\" is not checked"},
	{"unchecked on a shared host", []RouteConfig{{Host: "f", Repository: "a/*", Registry: "main"}, {Host: "F", Registry: "free"}}, "[1].host: registry \"free\" is not checked"},
	{"unchecked after any host", []RouteConfig{{Repository: "a/*", Registry: "main"}, {Host: "f", Registry: "free"}}, "[1].host: registry \"free\" is not checked"},
	{"unchecked after a part of a host", []RouteConfig{{Host: "a", Repository: "x/*", Registry: "main"}, {Registry: "free"}}, "[1].host: registry \"free\" is not checked"},
}

func TestValidateRoutes(t *testing.T) {
	for _, tt := range validateTests {
		t.Run(tt.name, func(t *testing.T) {
			err := ValidateRoutes(tt.routes, registries)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "\n")) {
				t.Errorf("ValidateRoutes: %v; want %s", err, tt.want)
			}
			if _, tableErr := NewTable(tt.routes, pools(t, registries)); (tableErr == nil) != (err == nil) {
				t.Errorf("NewTable: %v, but ValidateRoutes: %v", tableErr, err)
			}
		})
	}
}

// TestManyWrongRoutes: what was meant is not looked for in more routes than
// anybody reads of, be a registry wrong as well or not.
func TestManyWrongRoutes(t *testing.T) {
	routes := make([]RouteConfig, 10*maxMistakes)
	for i := range routes {
		routes[i].Registry = "mian"
	}
	for _, c := range []upstream.Config{registries["main"], {}} {
		err := ValidateRoutes(routes, map[string]upstream.Config{"main": c})
		if n := strings.Count(err.Error(), "did you mean main?"); n != maxMistakes+1 {
			t.Errorf("%d mistakes are told of %d", n, len(routes))
		}
	}
}

// TestKnownRegistryIsNotLookedFor: good files have many routes, too, and are
// read each time that the gate reloads.
func TestKnownRegistryIsNotLookedFor(t *testing.T) {
	known := knownOf(registries)
	if n := testing.AllocsPerRun(10, func() { RouteConfig{Registry: "main"}.validateRegistry(known, nil) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestMountStaysInItsRegistry has a client that may read the source of each
// mount. Only one that the registry itself has may be asked for there: what it
// has under that name itself, the route hides.
func TestMountStaysInItsRegistry(t *testing.T) {
	g := newRig(t, echo, setup{
		more: map[string]upstream.Config{"other": {Upstreams: []string{"http://127.0.0.1:1"}}},
		routes: []RouteConfig{
			{Repository: "team/*", Registry: "main"},
			{Repository: "hub/**", Registry: "other"},
			{Repository: "pub/*", Registry: "main"},
		},
	})
	auth := bearer("ann", pusher+" repository:team/lib:pull repository:hub/lib:pull repository:pub/lib:pull repository:none/lib:pull")
	for from, want := range map[string]bool{"team/lib": true, "pub/lib": true, "hub/lib": false, "none/lib": false} {
		t.Run(from, func(t *testing.T) {
			g.forget()
			g.do(t, call{method: "POST", path: uploads + "?mount=" + someDigest + "&from=" + from, auth: auth})
			wantSeen := "POST " + uploads
			if want {
				wantSeen += "?from=" + strings.Replace(from, "/", "%2F", 1) + "&mount=sha256%3A" + someDigest[7:]
			}
			checkSeen(t, g, wantSeen, "")
		})
	}
}
