package configs

import (
	"github.com/regate/regate/internal/problem"
	"github.com/regate/regate/proxy"
)

// checkMirrors keeps mirrors apart: a host, a namespace and a prefix lead to
// one of them.
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
			taken(hosts, host, registry, at)
			if !f.hasHost(host) {
				bad.Addf(at, "%s is neither one of tls.hosts nor listen.public_url's, so no request for it is let in", host)
			}
		}
	}
	for i, r := range f.Routes {
		if names[r.Namespace] == "" && prefixes[r.Namespace] != "" {
			bad.Addf(indexPath("routes", i)+".ns", "%s is the mirror.prefix of %s, which stands for something else", r.Namespace, prefixes[r.Namespace])
		}
	}
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
