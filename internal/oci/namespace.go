package oci

import "strings"

// A Namespace is a registry in whose place clients can ask the gate: docker.io.
// They name it in the parameter ns, come to a host that is for it alone, or
// write it before the name of a repository. However that is, a repository of
// it has one name to rules, tokens, the log and the catalog: with Prefix before
// it.
type Namespace struct {
	Name      string   // as clients write it, in lower case: docker.io, localhost:5000
	Prefix    string   // one component of a path: docker.io
	Hosts     []string // of the gate, in lower case, where nothing else is
	Anonymous bool     // on Hosts, whoever is not known here is nobody in particular
}

// Audience is the service of the tokens for it, where service is that of the
// gate: clients write the same name of a repository for several of them, and a
// token must be good for the one that was meant.
func (n Namespace) Audience(service string) string { return service + "/" + n.Name }

// Public is the name that the rules have for a repository of the namespace. One
// that has it already keeps it: a client can be told to write the prefix and to
// name the namespace as well.
func (n Namespace) Public(name string) string { return n.Prefix + "/" + n.Own(name) }

// Own is the name that a repository has within the namespace.
func (n Namespace) Own(name string) string {
	own, ok := strings.CutPrefix(name, n.Prefix+"/")
	if !ok {
		return name
	}
	return own
}

// Scope has the public names in the place of those that a client of the
// namespace has written. What becomes too long is left out, as there is no such
// repository.
func (n Namespace) Scope(wanted Scope) Scope {
	var s Scope
	for _, a := range wanted {
		if a.Type == Repository {
			if a.Name = n.Public(a.Name); !ValidName(a.Name) {
				continue
			}
		}
		s = s.add(a)
	}
	return s
}
