package upstream

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/problem"
	"github.com/regate/regate/proxy/upstream/storage"
)

// A Config says how one registry is reached.
type Config struct {
	// Kind is "" for a registry that is ours, or mirror for one of somebody
	// else, from which clients can pull through the gate, and to which nobody
	// can push. The keys up to mirror are those of a mirror.
	Kind string `yaml:"kind"`

	// NS is the registry that a mirror stands for, as clients write it before
	// the names of images: docker.io, ghcr.io. Required.
	NS string `yaml:"ns"`

	// Username is the gate's own name at the remote registry, and Password
	// goes with it, or PasswordFile, a file that holds it alone. Without them
	// it asks as nobody in particular. They are shown to the upstreams and to
	// token_hosts, over https alone; an upstream that begins with http:// sees
	// them as well.
	Username     string       `yaml:"username"`
	Password     authn.Secret `yaml:"password"`
	PasswordFile string       `yaml:"password_file"`

	// TokenHosts are the hosts, HOST or HOST:PORT, besides those of the
	// upstreams that may be asked for tokens. The remote registry says which;
	// clients read 502 if it names another. auth.docker.io is one of
	// registry-1.docker.io's without being listed.
	TokenHosts []string `yaml:"token_hosts"`

	// Public is how clients reach a mirror.
	Public Public `yaml:"mirror"`

	// Upstreams are the addresses of the registry: http://HOST[:PORT],
	// https://HOST[:PORT] or unix:///PATH. A path after the port is the
	// registry's own http.prefix. Several are replicas of one store: any of
	// them may answer any request, but those of one upload. Default of a
	// mirror: https://registry-1.docker.io for docker.io, else https:// and ns.
	Upstreams []string `yaml:"upstreams"`

	// Balance chooses among several: repository (the default: each repository
	// has one of them, the same at every gate, so that its caches are of use),
	// least_conn (the one with the fewest requests from this gate) or
	// round_robin.
	Balance string `yaml:"balance"`

	// Health is how those that are down are found.
	Health Health `yaml:"health"`

	// MaxConnections is how many requests one upstream has at once; beyond,
	// they go to the next, and clients read 503 when all have as many.
	// Default 0, which leaves it to MaxRequests.
	MaxConnections int `yaml:"max_connections"`

	// Auth is how the registry knows that a request comes from the gate.
	// Default: none, so that its network must let nobody else in.
	Auth Trust `yaml:"auth"`

	// TLS is for an https upstream whose certificate the system does not
	// trust, or which asks for one.
	TLS TLS `yaml:"tls"`

	// Redirects are those of a registry to the storage where its blobs are.
	Redirects storage.Config `yaml:"redirects"`

	// ConnectTimeout bounds connecting, TLS handshake included. Default 5s;
	// clients read 504 after that.
	ConnectTimeout time.Duration `yaml:"connect_timeout"`

	// HeaderTimeout bounds the wait for the answer to a request that only
	// reads. Default 60s; clients read 504 after that.
	HeaderTimeout time.Duration `yaml:"header_timeout"`

	// CommitTimeout is the same for a request that changes something, counted
	// from the end of its body: a registry on an object store copies the whole
	// layer before it answers. Default 10m.
	CommitTimeout time.Duration `yaml:"commit_timeout"`

	// MaxRequests is how many requests the registry has at once, 1 to 1048576;
	// clients read 429 above that. Each takes a connection and as much memory
	// as the registry needs for one, for as long as the client takes. One
	// network of clients has half of them. Default 1024.
	MaxRequests int `yaml:"max_requests"`
}

// TLS is the trust between the gate and an https upstream.
type TLS struct {
	// CA is a file of PEM certificates that sign the registry's own. Default:
	// those of the system.
	CA string `yaml:"ca"`
	// Cert and Key are files with the certificate that the gate shows. Both or
	// neither; default none.
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
	// ServerName is the name in the registry's certificate. Default: the host
	// of the upstream.
	ServerName string `yaml:"server_name"`
}

const (
	defaultConnect = 5 * time.Second
	defaultHeader  = 60 * time.Second
	defaultCommit  = 10 * time.Minute

	defaultRequests = 1024
	mostRequests    = 1 << 20
)

func (c Config) withDefaults() Config {
	c = c.mirrorDefaults()
	c.Auth = c.Auth.withDefaults()
	c.Health = c.Health.withDefaults()
	if c.Balance == "" {
		c.Balance = ByRepository
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = defaultConnect
	}
	if c.HeaderTimeout == 0 {
		c.HeaderTimeout = defaultHeader
	}
	if c.CommitTimeout == 0 {
		c.CommitTimeout = defaultCommit
	}
	if c.MaxRequests == 0 {
		c.MaxRequests = defaultRequests
	}
	return c
}

// Checked reports whether the gate itself decides who may do what in this
// registry. It does, unless that is left to the registry.
func (c Config) Checked() bool { return c.Auth.checked() }

// Validate returns all mistakes as a problem.List. It opens nothing.
func (c Config) Validate() error {
	var l problem.List
	c.validateMirror(&l)
	c.validatePublic(&l)
	if c.Kind == "" || len(c.Upstreams) > 0 {
		c.validateUpstreams(&l)
	}
	l.Under("auth", c.Auth.Validate())
	l.Under("tls", c.TLS.Validate())
	l.Under("redirects", c.Redirects.Validate(c.Mirror()))
	for _, t := range [...]struct {
		key   string
		value time.Duration
	}{{"connect_timeout", c.ConnectTimeout}, {"header_timeout", c.HeaderTimeout}, {"commit_timeout", c.CommitTimeout}} {
		if t.value < 0 {
			l.Addf(t.key, "%v is negative", t.value)
		}
	}
	switch c.Balance {
	case "", ByRepository, LeastConn, RoundRobin:
	default:
		l.Addf("balance", "%q is none of repository, least_conn, round_robin", c.Balance)
	}
	l.Under("health", c.Health.Validate())
	if c.MaxConnections < 0 || c.MaxConnections > mostRequests {
		l.Addf("max_connections", "%d is not between 0 and %d", c.MaxConnections, mostRequests)
	}
	if c.MaxRequests < 0 || c.MaxRequests > mostRequests {
		l.Addf("max_requests", "%d is not between 1 and %d", c.MaxRequests, mostRequests)
	}
	return l.Err()
}

func (c Config) validateUpstreams(l *problem.List) {
	if len(c.Upstreams) == 0 {
		l.Addf("upstreams", `is missing; name the registry's address, such as ["http://10.0.0.11:5000"]`)
	}
	secure := false
	first := make(map[string]int)
	for i, text := range c.Upstreams {
		at := "upstreams[" + strconv.Itoa(i) + "]"
		u, msg := parseAddress(text)
		if msg != "" {
			l.Addf(at, "%s", msg)
			secure = true // perhaps
			continue
		}
		id, _ := identify(u)
		if j, known := first[id]; known {
			l.Addf(at, "is the same as upstreams[%d]", j)
		} else {
			first[id] = i
		}
		secure = secure || u.Scheme == "https"
	}
	if c.TLS != (TLS{}) && !secure {
		l.Addf("tls", "is for an https upstream, and there is none")
	}
}

// parseAddress reads an upstream; msg says what is wrong with it. The text is
// not part of any message, as it may hold a password.
func parseAddress(text string) (u *url.URL, msg string) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, "is no address of the form http://HOST[:PORT], https://HOST[:PORT] or unix:///PATH"
	case u.User != nil:
		return nil, "holds a user; use auth: {mode: basic, …}"
	case u.RawQuery != "" || u.Fragment != "" || u.RawPath != "" || u.Opaque != "":
		return nil, "holds more than a scheme, a host, a port and a plain path"
	case u.Scheme == "unix" && (u.Host != "" || !strings.HasPrefix(u.Path, "/")):
		return nil, "a Unix socket is unix:///PATH, with three slashes"
	case u.Scheme == "unix":
		return u, ""
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, "must begin with http://, https:// or unix:///"
	case u.Hostname() == "":
		return nil, "has no host"
	}
	return u, badPrefix(u.Path)
}

// badPrefix checks a registry's http.prefix, since request paths are appended
// to it as they are.
func badPrefix(path string) (msg string) {
	if path = strings.TrimSuffix(path, "/"); path == "" {
		return ""
	}
	for part := range strings.SplitSeq(path[1:], "/") {
		if part == "" || part == "." || part == ".." || strings.Trim(part, plainBytes) != "" {
			return "the path may hold letters, digits, and . _ - between single slashes only"
		}
		if part == "v2" {
			return "ends before /v2/, which the gate appends itself"
		}
	}
	return ""
}

const plainBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

// Validate returns all mistakes as a problem.List. It opens nothing.
func (t TLS) Validate() error {
	var l problem.List
	if t.Cert != "" && t.Key == "" {
		l.Addf("key", "is missing beside cert")
	}
	if t.Key != "" && t.Cert == "" {
		l.Addf("cert", "is missing beside key")
	}
	return l.Err()
}
