package proxy

import (
	"net"
	"strings"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy/upstream"
)

// A Route is where the requests for some repositories go.
type Route struct {
	Registry string // its name in the configuration
	Pool     *upstream.Pool

	host    string // lower case; "" is any
	pattern pattern
}

// A Table is all routes, in the order in which they are tried.
type Table struct{ routes []*Route }

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
	t := new(Table)
	for _, c := range routes {
		p, _ := compile(c.Repository) // valid, see above
		t.routes = append(t.routes, &Route{c.Registry, pools[c.Registry], strings.ToLower(c.Host), p})
	}
	if len(routes) == 0 {
		for name, p := range pools {
			t.routes = append(t.routes, &Route{Registry: name, Pool: p})
		}
	}
	return t, nil
}

// Find returns the first route of a request. host is the Host header. What
// concerns no repository goes where the first route of the host leads.
//
// Its error is an UnknownName. Routes are no secret, so whoever asks is told.
func (t *Table) Find(host string, req oci.Request) (*Route, error) {
	if r := t.find(host, req.Repo); r != nil {
		return r, nil
	}
	return nil, oci.Errorf(oci.UnknownName, "no registry has this repository")
}

// reaches reports whether the registry of route has repo as well.
func (t *Table) reaches(host, repo string, route *Route) bool {
	r := t.find(host, repo)
	return r != nil && r.Pool == route.Pool
}

func (t *Table) find(host, repo string) *Route {
	name := ""
	for _, r := range t.routes {
		if r.host != "" && name == "" {
			name = hostname(host)
		}
		if (r.host == "" || r.host == name) && (repo == "" || r.pattern.match(repo)) {
			return r
		}
	}
	return nil
}

// hostname is a Host header without its port, in lower case.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}
