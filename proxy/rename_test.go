package proxy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/regate/regate/internal/oci"
)

var renameTests = []struct {
	route        RouteConfig
	name, inside string
}{
	{RouteConfig{}, "team/app", "team/app"},
	{RouteConfig{Repository: "hub/**", Strip: "hub/"}, "hub/library/alpine", "library/alpine"},
	{RouteConfig{Repository: "hub/**", Strip: "hub"}, "hub/hub", "hub"},
	{RouteConfig{Repository: "a/b/*", Strip: "a/b/"}, "a/b/c", "c"},
	{RouteConfig{Add: "team/"}, "app", "team/app"},
	{RouteConfig{Add: "x/y"}, "app", "x/y/app"},
	{RouteConfig{Repository: "old/**", Strip: "old/", Add: "new/"}, "old/app/x", "new/app/x"},
	{RouteConfig{Repository: "hub/*", Strip: "hub/", Add: "x/hub/"}, "hub/app", "x/hub/app"},
	{RouteConfig{Repository: "x/hub/*", Strip: "x/hub/", Add: "hub/"}, "x/hub/app", "hub/app"},
	{RouteConfig{Repository: "hub/a", Strip: "hub/", Add: "hub/"}, "hub/a", "hub/a"},
	{RouteConfig{Repository: "old/app", Rename: "new/name"}, "old/app", "new/name"},
	{RouteConfig{Repository: "old/app", Rename: "new/app"}, "old/app", "new/app"},
	{RouteConfig{Repository: "app", Rename: "x/app"}, "app", "x/app"},
	{RouteConfig{Repository: "x/app", Rename: "app"}, "x/app", "app"},
	{RouteConfig{Repository: "old-app", Rename: "app"}, "old-app", "app"},
	{RouteConfig{Repository: "old/app", Rename: "old/app"}, "old/app", "old/app"},
}

func TestRename(t *testing.T) {
	for _, tt := range renameTests {
		tt.route.Registry = "main"
		if err := tt.route.validate(twoRegistries); err != nil {
			t.Errorf("%+v: %v", tt.route, err)
			continue
		}
		n := tt.route.rename()
		if got := n.upstream(tt.name); got != tt.inside {
			t.Errorf("%+v: %s is %s at the registry, want %s", tt.route, tt.name, got, tt.inside)
		}
		if got, ok := n.back(tt.inside); !ok || got != tt.name {
			t.Errorf("%+v: %s is %s for clients, want %s", tt.route, tt.inside, got, tt.name)
		}
	}
}

// TestEqualRenamesAreOne has routes that do the same in other words.
func TestEqualRenamesAreOne(t *testing.T) {
	same := []RouteConfig{
		{Repository: "a/**", Add: "x"},
		{Repository: "a/**", Strip: "a/", Add: "x/a/"},
		{Repository: "a/b/**", Strip: "a/b/", Add: "x/a/b/"},
		{Repository: "a/b", Rename: "x/a/b"},
	}
	for _, c := range same {
		if got := c.rename(); got != same[0].rename() {
			t.Errorf("%+v: %+v, want %+v", c, got, same[0].rename())
		}
	}
}

// someConfigs are routes to two registries, some of which rewrite names.
func someConfigs(r *rand.Rand) []RouteConfig {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	routes := make([]RouteConfig, 1+r.IntN(4))
	for i := range routes {
		c := RouteConfig{
			Host:       pick("", "", "", "a.example", "*.example"),
			Namespace:  pick("", "", "", "docker.io"),
			Repository: somePattern(r).String(),
			Registry:   pick("main", "other"),
		}
		switch r.IntN(6) {
		case 0:
			c.Actions = []string{pick("pull", "push", "delete")}
		case 1:
			c.Actions = []string{"pull", "push"}
		}
		switch r.IntN(5) {
		case 0:
			c.Strip, c.Repository = "a", "a/"+c.Repository
		case 1:
			c.Add = pick("a", "b", "aa/ab")
		case 2:
			c.Strip, c.Repository, c.Add = "b/", "b/"+c.Repository, pick("a/", "b/", "ab")
		case 3:
			c.Repository, c.Rename = pick("a", "a/b", "ab/a/b"), pick("b", "b/a", "a/b")
		}
		routes[i] = c
	}
	return routes
}

// twoRegistries are what those lead to.
var twoRegistries = map[string]known{"main": {checked: true}, "other": {checked: true}}

func compileAll(configs []RouteConfig) *Table { return newTable(configs, twoRegistries, nil) }

// TestNoRepositoryHasTwoNames looks, for routes that are valid, at what each
// name leads to, from any place and for any action.
func TestNoRepositoryHasTwoNames(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 4))
	valid, twice := 0, 0
	for range 3000 {
		configs := someConfigs(r)
		err := validate(configs, twoRegistries)
		if err != nil && !strings.Contains(err.Error(), "one name only") {
			continue // for another reason
		}
		found := secondName(compileAll(configs))
		switch {
		case err == nil:
			valid++
			if found != "" {
				t.Fatalf("%+v:\n%s", configs, found)
			}
		case found == "":
			twice++ // there is one outside of the small world, or it was too hard to tell
		}
	}
	if valid < 500 || twice > valid/5 {
		t.Errorf("%d valid configurations, %d that look as good and are refused", valid, twice)
	}
}

func secondName(table *Table) string {
	known := make(map[string]string)
	for _, host := range []string{"a.example", "b.example", "other"} {
		for _, ns := range []string{"", "docker.io"} {
			for _, action := range actions {
				for _, name := range smallWorld {
					route := table.find(host, asked{ns, name, action})
					if route == nil {
						continue
					}
					inside, public := route.Registry+":"+route.rename.upstream(name), name
					if ns != "" {
						public = ns + "/" + name
					}
					if other, ok := known[inside]; ok && other != public {
						return fmt.Sprintf("%s is %s and %s", inside, other, public)
					}
					known[inside] = public
				}
			}
		}
	}
	return ""
}

// TestRenamedNamesAreValid is what makes Path safe: whatever valid name a valid
// route takes, its registry gets a valid one, or one that is too long.
func TestRenamedNamesAreValid(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 5))
	for range 1000 {
		configs := someConfigs(r)
		if validate(configs, twoRegistries) != nil {
			continue
		}
		table := compileAll(configs)
		for _, name := range smallWorld {
			for _, route := range table.routes {
				if inside := ""; route.pattern.match(name) {
					inside = route.rename.upstream(name)
					back, ok := route.rename.back(inside)
					if !oci.ValidName(inside) || !ok || back != name {
						t.Fatalf("%+v: %s is %q, and %q again", route, name, inside, back)
					}
				}
			}
		}
	}
}
