package upstream

import (
	"strconv"
	"strings"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/internal/problem"
)

// Public is how clients reach a mirror. They always do if they write its ns
// before a name, as in registry.example.com/docker.io/library/alpine, or name
// it with the parameter ns, as containerd does.
type Public struct {
	// Hosts are names of the gate, without ports, under which nothing but this
	// mirror is reached, so that clients write names without its ns: dockerd's
	// registry-mirrors needs one. Default: none.
	Hosts []string `yaml:"hosts"`

	// Anonymous lets those in on hosts who show a user that the gate does not
	// know, as nobody in particular: dockerd shows the user of Docker Hub to
	// every mirror. Their passwords are not looked at. Default false: they are
	// turned away, and dockerd goes to Docker Hub itself without saying so.
	Anonymous bool `yaml:"anonymous"`

	// Prefix is what rules, tokens and the log have before the names of the
	// mirror's repositories, and clients who write it there: one component of a
	// name. Default: ns. One with a port needs another, as a colon is in no name.
	Prefix string `yaml:"prefix"`
}

// Namespace is what a mirror stands for; the zero one for other registries.
func (c Config) Namespace() oci.Namespace {
	if !c.Mirror() {
		return oci.Namespace{}
	}
	n := oci.Namespace{Name: c.NS, Prefix: c.Public.Prefix, Anonymous: c.Public.Anonymous}
	if n.Prefix == "" {
		n.Prefix = n.Name
	}
	for _, host := range c.Public.Hosts {
		n.Hosts = append(n.Hosts, strings.ToLower(host))
	}
	return n
}

// validatePublic says what is wrong with a mirror's.
func (c Config) validatePublic(l *problem.List) {
	p := c.Public
	if !c.Mirror() {
		if len(p.Hosts) > 0 || p.Anonymous || p.Prefix != "" {
			l.Addf("mirror", "is for a registry with kind: mirror")
		}
		return
	}
	for i, host := range p.Hosts {
		if host == "" || strings.ContainsAny(host, "/*[] ") || strings.Count(host, ":") == 1 {
			l.Addf("mirror.hosts["+strconv.Itoa(i)+"]", "%q is not the name of a host alone, without scheme, port and star", host)
		}
	}
	if p.Anonymous && len(p.Hosts) == 0 {
		l.Addf("mirror.anonymous", "is about mirror.hosts, and there are none: elsewhere, users whom the gate does not know are turned away")
	}
	switch ok := func(s string) bool { return oci.ValidName(s) && !strings.Contains(s, "/") }; {
	case p.Prefix != "" && !ok(p.Prefix):
		l.Addf("mirror.prefix", "%q is not one component of a name, such as docker.io", p.Prefix)
	case p.Prefix == "" && isHost(c.NS) && !ok(c.NS):
		l.Addf("mirror.prefix", "is missing: %q cannot stand in the name of a repository; choose what stands there in its place", c.NS)
	}
}
