package proxy

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/regate/regate/internal/problem"
	"github.com/regate/regate/proxy/upstream"
)

// A RouteConfig is an entry of routes. The first one that matches a request
// wins. With none at all, everything goes to the only registry.
type RouteConfig struct {
	// Host is the name under which the client reaches the gate, without a
	// port. Default: any.
	Host string `yaml:"host"`

	// Repository is a pattern for names of repositories: "*" stands for
	// anything but a slash, "**" for any number of path components, one at
	// least. Default: any name.
	Repository string `yaml:"repository"`

	// Registry is the key under registries of where it leads. Required. A
	// registry that is not checked (auth: {mode: forward, check: false}) must
	// get all that comes for its host, since it answers /v2/ itself.
	Registry string `yaml:"registry"`
}

// ValidateRoutes returns all mistakes in routes to registries as a
// problem.List, with paths such as "[2].registry".
func ValidateRoutes(routes []RouteConfig, registries map[string]upstream.Config) error {
	checked := make(map[string]bool, len(registries))
	for name, c := range registries {
		checked[name] = c.Checked()
	}
	return validate(routes, checked)
}

// validate is ValidateRoutes for registries of which only matters whether the
// gate checks them.
func validate(routes []RouteConfig, checked map[string]bool) error {
	var l problem.List
	if len(routes) == 0 && len(checked) != 1 {
		l.Addf("", "there are %d registries; say with routes what goes where", len(checked))
	}
	for i, r := range routes {
		at := "[" + strconv.Itoa(i) + "]"
		l.Under(at, r.validate(checked))
		if c, known := checked[r.Registry]; known && !c {
			l.Under(at, validateUnchecked(routes, i))
		}
		if j := covering(routes, i); j >= 0 {
			l.Addf(at, "can never match, because routes[%d] takes all of it", j)
		}
	}
	return l.Err()
}

func (c RouteConfig) validate(checked map[string]bool) error {
	var l problem.List
	if strings.ContainsAny(c.Host, "/:*[] ") && strings.Count(c.Host, ":") < 2 {
		l.Addf("host", "%q is not the name of a host alone, without scheme and port", c.Host)
	}
	if _, err := compile(c.Repository); err != nil {
		l.Addf("repository", "%v", err)
	}
	if c.Registry == "" {
		l.Addf("registry", "is missing")
	} else if _, known := checked[c.Registry]; !known {
		l.Addf("registry", "there is no registry %q", c.Registry)
	}
	return l.Err()
}

// validateUnchecked makes sure that no request for a host of routes[i] gets to
// another registry before it: clients learn from the one that answers /v2/
// where to get a token, and there is but one /v2/ to a host.
func validateUnchecked(routes []RouteConfig, i int) error {
	var l problem.List
	c := routes[i]
	if !c.all() {
		l.Addf("repository", "registry %q is not checked (check: false), so it must get all repositories of its host", c.Registry)
	}
	for j, other := range routes[:i] {
		apart := other.Host != "" && !strings.EqualFold(other.Host, c.Host) && (c.Host != "" || other.all())
		if other.Registry != c.Registry && !apart {
			l.Addf("host", "registry %q is not checked (check: false), so it must have a host of its own; routes[%d] leads requests for it elsewhere", c.Registry, j)
			break
		}
	}
	return l.Err()
}

// all reports whether the route takes every repository of its host.
func (c RouteConfig) all() bool { return c.Repository == "" || c.Repository == "**" }

// covering is the index of a route before the one at i that takes all of its
// requests, as far as that shows at once; -1 if there is none.
func covering(routes []RouteConfig, i int) int {
	for j, r := range routes[:i] {
		hosts := r.Host == "" || strings.EqualFold(r.Host, routes[i].Host)
		names := r.all() || r.Repository == routes[i].Repository
		if hosts && names {
			return j
		}
	}
	return -1
}

// errPattern says what a pattern may hold.
func errPattern(why string) error {
	return fmt.Errorf("%s; a pattern is a name of a repository in which * and ** may stand", why)
}
