package proxy

import (
	"maps"
	"slices"
	"strings"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy/upstream"
)

// A Route is where the requests for some repositories go.
type Route struct {
	Registry string // its name in the configuration
	Pool     *upstream.Pool

	condition
	rename rename // of names within the namespace
	listed rename // of those that rules have
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
	namespaces namespaces
	routes     []*Route
	index      *index
}

// NewTable compiles the routes to pools, which are all registries by name. If
// there is no route, everything goes to the only registry; mirrors have routes
// of their own, see implied.
func NewTable(routes []RouteConfig, pools map[string]*upstream.Pool) (*Table, error) {
	registries := make(map[string]known, len(pools))
	for name, p := range pools {
		registries[name] = known{p.Checked(), p.Namespace()}
	}
	if err := validate(routes, registries); err != nil {
		return nil, err
	}
	return newTable(append(routes[:len(routes):len(routes)], implied(routes, registries)...), registries, pools), nil
}

// newTable makes a Table of routes that are valid.
func newTable(routes []RouteConfig, registries map[string]known, pools map[string]*upstream.Pool) *Table {
	all := allNamespaces(routes, registries)
	t := &Table{namespaces: newNamespaces(all)}
	for _, c := range routes {
		listed := c.within(t.namespaces).rename()
		t.routes = append(t.routes, &Route{c.Registry, pools[c.Registry], c.condition(), c.rename(), listed})
	}
	t.index = newIndex(t.routes)
	return t
}

// asked is what a route is looked up for.
type asked struct {
	namespace string
	repo      string      // "" for what concerns none
	actions   oci.Actions // any of them
}

// A Match is the route of a request, and where that was asked for. It lives as
// long as the request.
type Match struct {
	*Route

	host string         // that the client has come to, in lower case, without a port
	via  *oci.Namespace // in whose place it asks the gate; nil is the gate itself
}

// Find returns the first route of a request. host is the Host header. What
// concerns no repository goes where the first route of the host leads.
//
// Its error is an UnknownName. Routes are no secret, so whoever asks is told.
// The Match then lacks its route alone, or all.
func (t *Table) Find(host string, req oci.Request) (m Match, err error) {
	m.host = hostname(host)
	if m.via, err = t.namespaces.via(host, req); err != nil {
		return m, err
	}
	a := asked{actions: req.Action()}
	a.namespace, a.repo = t.namespaces.locate(m.via, req.Repo)
	if req.Op == oci.Ping {
		a.actions = oci.All // it is asked before anything else is, by all
	}
	m.Route = t.find(m.host, a)
	if m.Route == nil && a == (asked{actions: a.actions}) {
		m.Route = t.any(m.host, a.actions)
	}
	switch {
	case m.Route != nil:
		return m, nil
	case a.namespace != "":
		return m, unknownNamespace(a.namespace)
	}
	return m, oci.Errorf(oci.UnknownName, "no registry has this repository")
}

// any is a route of a host under which there are only mirrors. What concerns no
// repository, the gate answers for all of them.
func (t *Table) any(host string, actions oci.Actions) *Route {
	for _, name := range slices.Sorted(maps.Keys(t.namespaces.names)) {
		if r := t.find(host, asked{namespace: name, actions: actions}); r != nil {
			return r
		}
	}
	return nil
}

// source is what the registry of a route calls the source of a mount, if it has
// that, too, and the name leads there; else "".
func (t *Table) source(m Match, req oci.Request) string {
	namespace, own := t.namespaces.locate(m.via, req.From)
	r := t.find(m.host, asked{namespace, own, oci.Pull})
	if r == nil || r.Pool != m.Pool {
		return ""
	}
	if name := r.rename.upstream(own); oci.ValidName(name) {
		return name
	}
	return ""
}

// renamed is a request with the names that the registry of its route has.
func (t *Table) renamed(m Match, req oci.Request) (oci.Request, error) {
	if req.Repo == "" {
		return req, nil
	}
	from := req.From
	if from != "" {
		if name := t.source(m, req); name != "" {
			from = name
		}
	}
	_, own := t.namespaces.locate(m.via, req.Repo)
	return req.Renamed(m.rename.upstream(own), from)
}

// find is the route for what is asked of a host, whose name is as hostname
// returns it.
func (t *Table) find(host string, a asked) *Route {
	if i := t.index.find(host, a); i != missing {
		return t.routes[i]
	}
	return nil
}

// hostname is a Host header without its port, in lower case.
func hostname(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && (i == strings.IndexByte(host, ':') || host[i-1] == ']') {
		host = host[:i]
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}
