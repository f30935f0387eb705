package proxy

import (
	"strings"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy/upstream"
)

// A Route is where the requests for some repositories go.
type Route struct {
	Registry string // its name in the configuration
	Pool     *upstream.Pool

	condition
	rename rename
}

// A condition is what a request must have to take a route.
type condition struct {
	host      string // lower case; "*." stands for one label; "" is any
	namespace string // lower case; "" is the gate itself
	pattern   pattern
	actions   oci.Actions
}

// A Table is all routes, in the order in which they are tried.
type Table struct {
	routes []*Route
	index  *index
}

// NewTable compiles the routes to pools, which are all registries by name. If
// there is no route, everything goes to the only registry.
func NewTable(routes []RouteConfig, pools map[string]*upstream.Pool) (*Table, error) {
	checked := make(map[string]bool, len(pools))
	for name, p := range pools {
		checked[name] = p.Checked()
	}
	if err := validate(routes, checked); err != nil {
		return nil, err
	}
	if len(routes) == 0 {
		for name := range pools {
			routes = []RouteConfig{{Registry: name}}
		}
	}
	t := new(Table)
	for _, c := range routes {
		t.routes = append(t.routes, &Route{c.Registry, pools[c.Registry], c.condition(), c.rename()})
	}
	t.index = newIndex(t.routes)
	return t, nil
}

// asked is what a route is looked up for.
type asked struct {
	namespace string
	repo      string      // "" for what concerns none
	actions   oci.Actions // any of them
}

// Find returns the first route of a request. host is the Host header. What
// concerns no repository goes where the first route of the host leads.
//
// Its error is an UnknownName. Routes are no secret, so whoever asks is told.
func (t *Table) Find(host string, req oci.Request) (*Route, error) {
	a := asked{namespace(host, req), req.Repo, req.Action()}
	if req.Op == oci.Ping {
		a.actions = oci.All // it is asked before anything else is, by all
	}
	if r := t.find(host, a); r != nil {
		return r, nil
	}
	if a.namespace != "" {
		return nil, oci.Errorf(oci.UnknownName, "nothing of the registry %s is here", a.namespace)
	}
	return nil, oci.Errorf(oci.UnknownName, "no registry has this repository")
}

// source is the route by which the source of a mount can be read, if the
// registry of route has that, too; else nil.
func (t *Table) source(host string, req oci.Request, route *Route) *Route {
	r := t.find(host, asked{namespace(host, req), req.From, oci.Pull})
	if r == nil || r.Pool != route.Pool || !oci.ValidName(r.rename.upstream(req.From)) {
		return nil
	}
	return r
}

// renamed is a request with the names that the registry of its route has.
func (t *Table) renamed(host string, req oci.Request, route *Route) (oci.Request, error) {
	if req.Repo == "" {
		return req, nil
	}
	from := req.From
	if from != "" {
		if r := t.source(host, req, route); r != nil {
			from = r.rename.upstream(from)
		}
	}
	return req.Renamed(route.rename.upstream(req.Repo), from)
}

func (t *Table) find(host string, a asked) *Route {
	if i := t.index.find(hostname(host), a); i != missing {
		return t.routes[i]
	}
	return nil
}

// namespace is the registry in whose place the gate is asked. A client that
// names the gate itself means nobody else.
func namespace(host string, req oci.Request) string {
	if strings.EqualFold(req.Namespace, host) || req.Namespace == hostname(host) {
		return ""
	}
	return req.Namespace
}

// hostname is a Host header without its port, in lower case.
func hostname(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && (i == strings.IndexByte(host, ':') || host[i-1] == ']') {
		host = host[:i]
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}
