package proxy

import (
	"maps"
	"slices"
	"strings"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy/upstream"
)

// namespaces are the registries in whose place the gate can be asked. No other
// is ever connected to, whatever a client names.
type namespaces struct {
	names, prefixes, hosts map[string]*oci.Namespace
}

// Namespaces returns those of a configuration that is valid: what its mirrors
// stand for, and what routes have besides.
func Namespaces(routes []RouteConfig, registries map[string]upstream.Config) []oci.Namespace {
	return allNamespaces(routes, knownOf(registries))
}

func allNamespaces(routes []RouteConfig, registries map[string]known) (all []oci.Namespace) {
	has := make(map[string]bool)
	for _, name := range slices.Sorted(maps.Keys(registries)) {
		if n := registries[name].namespace; n.Name != "" && !has[n.Name] {
			has[n.Name], all = true, append(all, n)
		}
	}
	for _, r := range routes {
		if name := strings.ToLower(r.Namespace); name != "" && !has[name] {
			has[name], all = true, append(all, oci.Namespace{Name: name, Prefix: name})
		}
	}
	return all
}

func newNamespaces(all []oci.Namespace) namespaces {
	s := namespaces{make(map[string]*oci.Namespace), make(map[string]*oci.Namespace), make(map[string]*oci.Namespace)}
	for _, n := range all {
		s.names[n.Name], s.prefixes[n.Prefix] = &n, &n
		for _, host := range n.Hosts {
			s.hosts[host] = &n
		}
	}
	return s
}

// via is the namespace in whose place a client asks the gate: the one that it
// names, or that of the host which it has come to; nil is the gate itself. A
// client that names the gate means nobody else.
//
// Its error is an UnknownName.
func (s namespaces) via(host string, req oci.Request) (*oci.Namespace, error) {
	if name := req.Namespace; name != "" && name != strings.ToLower(host) && name != hostname(host) {
		if n := s.names[name]; n != nil {
			return n, nil
		}
		return nil, unknownNamespace(name)
	}
	return s.hosts[hostname(host)], nil
}

func unknownNamespace(name string) error {
	return oci.Errorf(oci.UnknownName, "nothing of the registry %s is here", name)
}

// locate is where a repository is that a client calls name, and what it is
// called there. By the gate itself, a namespace is reached by its prefix.
func (s namespaces) locate(via *oci.Namespace, name string) (namespace, own string) {
	if via == nil {
		prefix, _, within := strings.Cut(name, "/")
		if !within || s.prefixes[prefix] == nil {
			return "", name
		}
		via = s.prefixes[prefix]
	}
	return via.Name, via.Own(name)
}

// public is what rules, tokens and the log call the repository that the client
// calls name; "" if that is.
func (m Match) public(name string) string {
	if m.via == nil || name == "" {
		return name
	}
	return m.via.Public(name)
}

// toRules is a request with the names that the rules have. A mount from what
// cannot have one is none.
func (m Match) toRules(req oci.Request) (oci.Request, error) {
	if m.via == nil || req.Repo == "" {
		return req, nil
	}
	from := m.public(req.From)
	if from != "" && !oci.ValidName(from) {
		req, from = req.WithoutMount(), ""
	}
	return req.Renamed(m.public(req.Repo), from)
}

// place is where the client asks.
func (m Match) place() place {
	if m.via == nil {
		return place{host: m.host}
	}
	return place{m.host, m.via.Name}
}

// guests reports whether those who come to the host are let in whoever they are.
func (m Match) guests() bool {
	return m.via != nil && m.via.Anonymous && slices.Contains(m.via.Hosts, m.host)
}
