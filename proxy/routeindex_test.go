package proxy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/internal/oci"
)

// takes is what a condition means, in the plainest words.
func (c condition) takes(host string, a asked) bool {
	_, domain, _ := strings.Cut(host, ".")
	hosts := c.host == "" || c.host == host || c.host == "*."+domain && domain != ""
	return hosts && c.namespace == a.namespace && c.actions&a.actions != 0 && (a.repo == "" || c.pattern.match(a.repo))
}

// someRoutes are routes with much in common.
func someRoutes(r *rand.Rand, n int) []*Route {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	routes := make([]*Route, n)
	for i := range routes {
		routes[i] = &Route{condition: condition{
			host:      pick("", "a.example", "b.example", "*.example", "x.a.example", "*.a.example"),
			namespace: pick("", "", "docker.io", "quay.io"),
			pattern:   somePattern(r),
			actions:   oci.Actions(1 + r.IntN(7)),
		}}
	}
	return routes
}

// TestIndexIsFirstMatch compares the index with trying one route after the other.
func TestIndexIsFirstMatch(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	names := append([]string{""}, universe("a", "b", "aa", "ab")...)
	found := 0
	for range 300 {
		routes := someRoutes(r, r.IntN(20))
		x := newIndex(routes)
		for range 200 {
			host := []string{"a.example", "b.example", "x.a.example", "y.a.example", "example", "other"}[r.IntN(6)]
			a := asked{[]string{"", "docker.io", "ghcr.io"}[r.IntN(3)], names[r.IntN(len(names))], actions[r.IntN(3)]}
			want := int32(missing)
			for i, route := range routes {
				if route.takes(host, a) {
					want = int32(i)
					found++
					break
				}
			}
			if got := x.find(host, a); got != want {
				t.Fatalf("find(%s, %+v) = %d, want %d of %v", host, a, got, want, describe(routes))
			}
		}
	}
	if found < 3000 {
		t.Errorf("only %d requests had a route", found)
	}
}

func describe(routes []*Route) (texts []string) {
	for i, r := range routes {
		texts = append(texts, fmt.Sprintf("%d: %+v", i, r.condition))
	}
	return texts
}

// TestNamesDoNotExplode has a name for which a search that goes back and forth
// takes for ever.
func TestNamesDoNotExplode(t *testing.T) {
	p, err := compile(strings.Repeat("**/a/", 8) + "b")
	if err != nil {
		t.Fatal(err)
	}
	x := newIndex([]*Route{{condition: condition{pattern: p, actions: oci.All}}})
	start := time.Now()
	x.find("any", asked{"", strings.Repeat("a/", 126) + "a", oci.Pull})
	if took := time.Since(start); took > time.Second {
		t.Errorf("a name of 127 components took %v", took)
	}
}

// manyRoutes are ten thousand as an organization may have them.
func manyRoutes() []*Route {
	routes := make([]*Route, 0, 10_000)
	for i := range 10_000 {
		text := fmt.Sprintf("team-%d/app", i)
		switch i % 4 {
		case 1:
			text = fmt.Sprintf("group-%d/**", i)
		case 2:
			text = fmt.Sprintf("org/unit-%d/*", i)
		case 3:
			text = fmt.Sprintf("**/app-%d", i)
		}
		p, _ := compile(text)
		host := ""
		if i%2 == 0 {
			host = "registry.example.com"
		}
		routes = append(routes, &Route{condition: condition{host: host, pattern: p, actions: oci.All}})
	}
	return routes
}

func BenchmarkFind(b *testing.B) {
	table := &Table{routes: manyRoutes()}
	table.index = newIndex(table.routes)
	for _, name := range []string{"team-9996/app", "group-9997/some/deep/app", "org/unit-9998/app", "any/where/app-9999", "no/such/name"} {
		req, err := oci.Parse("GET", "/v2/"+name+"/manifests/latest")
		if err != nil {
			b.Fatal(err)
		}
		b.Run(strings.ReplaceAll(name, "/", "_"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if r, _ := table.Find("registry.example.com:8443", req); r.Route == nil && name != "no/such/name" {
					b.Fatal("no route")
				}
			}
		})
	}
}

// TestFindAllocatesNothing is for requests that have a route.
func TestFindAllocatesNothing(t *testing.T) {
	table := &Table{routes: manyRoutes()}
	table.index = newIndex(table.routes)
	req, _ := oci.Parse("GET", "/v2/group-9997/some/deep/app/manifests/latest")
	if n := testing.AllocsPerRun(100, func() { _, _ = table.Find("registry.example.com:8443", req) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkValidate checks ten thousand routes, of which every other one
// rewrites names.
func BenchmarkValidate(b *testing.B) {
	var configs []RouteConfig
	for i, r := range manyRoutes() {
		c := RouteConfig{Host: r.host, Repository: r.pattern.String(), Registry: "main"}
		if i%4 == 0 {
			c.Rename = fmt.Sprintf("apps/renamed-%d", i)
		} else if i%4 == 1 {
			c.Strip, c.Add = r.pattern[0], "stripped/"+r.pattern[0]
		}
		if i%4 == 3 {
			c.Registry = "other"
		}
		configs = append(configs, c)
	}
	for b.Loop() {
		if err := validate(configs, twoRegistries); err != nil {
			b.Fatal(err)
		}
	}
}
