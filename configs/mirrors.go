package configs

import (
	"maps"
	"slices"
	"strings"

	"github.com/regate/regate/internal/problem"
	"github.com/regate/regate/proxy"
)

// checkMirrors keeps mirrors apart: a host, a namespace and a prefix lead to
// one of them. What a registry has said of itself is not said again.
func (f *File) checkMirrors(bad *problem.List) {
	hosts, names, prefixes := make(map[string]string), make(map[string]string), make(map[string]string)
	taken := func(by map[string]string, value, registry, path string) bool {
		other, taken := by[value]
		if taken {
			bad.Addf(path, "%s is that of %s as well", value, other)
		} else {
			by[value] = "registry " + registry
		}
		return taken
	}
	for _, registry := range f.registries() {
		n := f.Registries[registry].Namespace()
		path := problem.Key("registries", registry)
		if n.Name == "" || taken(names, n.Name, registry, path+".ns") {
			continue
		}
		taken(prefixes, n.Prefix, registry, path+".mirror.prefix")
		for i, host := range n.Hosts {
			at := indexPath(path+".mirror.hosts", i)
			if !isName(host) {
				continue
			}
			if hosts[host] == "registry "+registry {
				bad.Addf(at, "%s stands here twice", host)
				continue
			}
			taken(hosts, host, registry, at)
			if !f.hasHost(host) {
				bad.Addf(at, "%s is neither one of tls.hosts nor listen.public_url's, so no request for it is let in", host)
			}
		}
	}
	f.checkOnlyHost(bad, hosts)
	known := append(slices.Sorted(maps.Keys(names)), "docker.io")
	for i, r := range f.Routes {
		checkNamespace(bad, indexPath("routes", i)+".ns", strings.ToLower(r.Namespace), known)
		if names[r.Namespace] == "" && prefixes[r.Namespace] != "" {
			bad.Addf(indexPath("routes", i)+".ns", "%s is the mirror.prefix of %s, which stands for something else", r.Namespace, prefixes[r.Namespace])
		}
	}
}

// checkNamespace finds the ns of a route that is probably another of those that
// are known. It may stand for itself: a registry of ours can be asked in the
// place of any other.
func checkNamespace(bad *problem.List, path, name string, known []string) {
	if name == "" || slices.Contains(known, name) {
		return
	}
	if near := problem.Nearest(name, known); near != "" {
		bad.Warnf(path, "%s is no mirror's; did you mean %s?", name, near)
	} else if !strings.ContainsAny(name, ".:") && name != "localhost" {
		bad.Warnf(path, "%s is not the name of a registry, such as docker.io, so no client asks in its place", name)
	}
}

// checkOnlyHost: somebody must be able to reach our own registries.
func (f *File) checkOnlyHost(bad *problem.List, mirrors map[string]string) {
	for _, name := range append([]string{f.publicHost()}, f.TLS.Hosts...) {
		if name != "" && mirrors[strings.ToLower(name)] == "" {
			return
		}
	}
	for _, registry := range f.registries() {
		if !f.Registries[registry].Mirror() && len(mirrors) > 0 {
			bad.Addf(problem.Key("registries", registry), "nobody can reach it, because all names of the gate are mirror.hosts; add a name to tls.hosts")
		}
	}
}

// isName reports whether a host has none of what proxy and upstream refuse.
func isName(host string) bool {
	return host != "" && !strings.ContainsAny(host, "/[] ") && strings.Count(host, ":") != 1
}

// forClients says which tokens of clients have a service; "" is none.
func (f *File) forClients(service, own string) string {
	if service == own {
		return "auth.token.service"
	}
	for _, n := range proxy.Namespaces(f.Routes, f.Registries) {
		if service == n.Audience(own) {
			return "that of tokens for " + n.Name
		}
	}
	return ""
}
