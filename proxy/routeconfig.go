package proxy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/internal/problem"
	"github.com/regate/regate/proxy/upstream"
)

// A RouteConfig is an entry of routes. The first one that matches a request
// wins. With none at all, everything goes to the only registry.
type RouteConfig struct {
	// Host is the name under which the client reaches the gate, without a
	// port. "*.example.com" is any that has one label more, as in certificates.
	// Default: any.
	Host string `yaml:"host"`

	// Namespace is the registry in whose place the client asks the gate, such as
	// docker.io: containerd and BuildKit say so in the parameter ns of a request
	// to a mirror, other clients write docker.io/ before a name, or come to one of
	// the hosts of a mirror. The rest of the route has names without that, and
	// rules and tokens have docker.io/library/alpine in any case. A ns that is
	// neither here nor a mirror's is answered 404. Default: the gate itself.
	Namespace string `yaml:"ns"`

	// Repository is a pattern for names of repositories: "*" stands for
	// anything but a slash, "**" for any number of path components, one at
	// least. Default: any name.
	Repository string `yaml:"repository"`

	// Actions are those of pull, push and delete that take this route. Whatever
	// concerns an upload is a push. Default: all.
	Actions []string `yaml:"actions"`

	// Registry is the key under registries of where it leads. Required. A
	// registry that is not checked (auth: {mode: forward, check: false}) must
	// get all that comes for its host, since it answers /v2/ itself.
	Registry string `yaml:"registry"`

	// Strip is the beginning of the name, whole path components, that the
	// registry does not get to see: with "hub/", its library/alpine is
	// hub/library/alpine for clients. Repository must begin with it. Default: "".
	Strip string `yaml:"strip"`

	// Add is what the registry sees before what Strip leaves of the name.
	// Default: "".
	Add string `yaml:"add"`

	// Rename is the whole name of one repository at the registry. Repository
	// must then be the one that clients know. Default: "", which is the same
	// name.
	Rename string `yaml:"rename"`
}

// validate reports the mistakes that show in the route alone.
func (c RouteConfig) validate(registries map[string]known) error {
	var l problem.List
	name := strings.TrimPrefix(c.Host, "*.")
	if strings.ContainsAny(name, "/:*[] ") && strings.Count(name, ":") < 2 || c.Host != "" && name == "" {
		l.Addf("host", "%q is not the name of a host alone, without scheme and port", c.Host)
	}
	if upstream.IsHub(c.Namespace) {
		l.Addf("ns", "%s is Docker Hub, which clients call docker.io; use ns: docker.io", c.Namespace)
	} else if c.Namespace != "" && !c.namesMirror(registries) && !oneComponent(strings.ToLower(c.Namespace)) {
		l.Addf("ns", "%q is not the name of a registry, such as docker.io; one with a port needs a registry with kind: mirror, and mirror.prefix", c.Namespace)
	}
	if _, err := compile(c.Repository); err != nil {
		l.Addf("repository", "%v", err)
	}
	for i, text := range c.Actions {
		if a, ok := oci.ParseAction(text); !ok || a == oci.Any {
			l.Addf(fmt.Sprintf("actions[%d]", i), "%q is none of pull, push, delete", text)
		}
	}
	c.validateRegistry(registries, &l)
	l.Under("", c.validateNames())
	return l.Err()
}

// validateRegistry makes sure that the route leads somewhere.
func (c RouteConfig) validateRegistry(registries map[string]known, l *problem.List) {
	if c.Registry == "" {
		l.Addf("registry", "is missing")
	} else if _, ok := registries[c.Registry]; ok {
		return
	} else if near := problem.Nearest(c.Registry, slices.Sorted(maps.Keys(registries))); near != "" {
		l.Addf("registry", "there is no registry %q; did you mean %s?", c.Registry, near)
	} else {
		l.Addf("registry", "there is no registry %q", c.Registry)
	}
}

// validateNames makes sure that the route gives valid names to whatever it
// takes, but for their length.
func (c RouteConfig) validateNames() error {
	var l problem.List
	p, err := compile(c.Repository)
	if err != nil {
		return nil // said before
	}
	for _, f := range [...]struct{ key, value string }{{"strip", c.Strip}, {"add", c.Add}, {"rename", c.Rename}} {
		if name := strings.TrimSuffix(f.value, "/"); f.value != "" && !oci.ValidName(name) {
			l.Addf(f.key, "%q is not made of whole path components of a name, such as hub/", f.value)
		}
	}
	switch {
	case c.Rename != "" && (c.Strip != "" || c.Add != ""):
		l.Addf("rename", "gives the whole name, so there is nothing to strip or add")
	case c.Rename != "" && !p.exact():
		l.Addf("rename", "is one name, so repository must be one, too; for several, use strip and add")
	case strings.HasSuffix(c.Rename, "/"):
		l.Addf("rename", "%q is a beginning of a name", c.Rename)
	}
	if s := parts(c.Strip); len(l) == 0 && len(s) > 0 && (len(p) <= len(s) || !p[:len(s)].exact() || p[:len(s)].String() != s.String()) {
		l.Addf("strip", "not every name that matches repository %q begins with %s/", c.Repository, s)
	}
	return l.Err()
}

// namesMirror reports whether the route has the ns of a mirror.
func (c RouteConfig) namesMirror(registries map[string]known) bool {
	for _, r := range registries {
		if r.namespace.Name == strings.ToLower(c.Namespace) {
			return true
		}
	}
	return false
}

func oneComponent(s string) bool { return oci.ValidName(s) && !strings.Contains(s, "/") }

// within is the route as it would be without ns: with the names that rules
// have.
func (c RouteConfig) within(spaces namespaces) RouteConfig {
	n := spaces.names[strings.ToLower(c.Namespace)]
	if n == nil {
		return c
	}
	if c.Repository == "" {
		c.Repository = deep
	}
	c.Repository = n.Prefix + "/" + c.Repository
	if c.Rename == "" {
		c.Strip = n.Prefix + "/" + c.Strip
	}
	return c
}

// condition is what a valid route wants of a request.
func (c RouteConfig) condition() condition {
	p, _ := compile(c.Repository)
	takes := oci.Actions(0)
	for _, text := range c.Actions {
		a, _ := oci.ParseAction(text)
		takes |= a
	}
	if takes == 0 {
		takes = oci.All
	}
	return condition{strings.ToLower(c.Host), strings.ToLower(c.Namespace), p, takes}
}

// rename is what a valid route makes of a name.
func (c RouteConfig) rename() rename {
	if c.Rename != "" {
		return newRename(c.Repository, c.Rename)
	}
	return newRename(beginning(c.Strip), beginning(c.Add))
}

// beginning has a slash at the end if it is not empty.
func beginning(s string) string {
	if s == "" || strings.HasSuffix(s, "/") {
		return s
	}
	return s + "/"
}

// errPattern says what a pattern may hold.
func errPattern(why string) error {
	return fmt.Errorf("%s; a pattern is a name of a repository in which * and ** may stand", why)
}
