package upstream

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/regate/regate/internal/problem"
)

// KindMirror is the kind of a registry of somebody else.
const KindMirror = "mirror"

// Docker Hub is known by another name than those of its servers.
const (
	hub      = "docker.io"
	hubHost  = "registry-1.docker.io"
	hubToken = "auth.docker.io"
)

// IsHub reports whether text is one of the names that Docker Hub has besides the
// one that clients know it by, which is docker.io.
func IsHub(text string) bool {
	switch strings.ToLower(text) {
	case "index.docker.io", hubHost, "hub.docker.com", "docker.com", "www.docker.io":
		return true
	}
	return false
}

// Mirror reports whether the registry is somebody else's.
func (c Config) Mirror() bool { return c.Kind == KindMirror }

// mirrorDefaults fills in what follows from ns.
func (c Config) mirrorDefaults() Config {
	if !c.Mirror() || c.NS == "" {
		return c
	}
	if len(c.Upstreams) == 0 {
		c.Upstreams = []string{"https://" + c.NS}
		if c.NS == hub {
			c.Upstreams = []string{"https://" + hubHost}
		}
	}
	if slices.Contains(c.Upstreams, "https://"+hubHost) {
		c.TokenHosts = append([]string{hubToken}, c.TokenHosts...)
	}
	return c
}

func (c Config) validateMirror(l *problem.List) {
	switch c.Kind {
	case "":
		for _, key := range c.mirrorKeys() {
			l.Addf(key, "is for a registry with kind: mirror")
		}
		return
	case KindMirror:
	default:
		if problem.Nearest(c.Kind, []string{KindMirror}) != "" {
			l.Addf("kind", "%q is not known; did you mean mirror?", c.Kind)
		} else {
			l.Addf("kind", "%q is not mirror, the only kind that has a name", c.Kind)
		}
		return
	}
	if IsHub(c.NS) {
		l.Addf("ns", "%s is Docker Hub, which clients call docker.io; use ns: docker.io", c.NS)
	} else if !isHost(c.NS) {
		l.Addf("ns", "must be the registry that it stands for, as clients write it: docker.io, ghcr.io, HOST:PORT, in lower case")
	}
	if c.Auth != (Trust{}) {
		l.Addf("auth", "is for a registry of ours; a mirror has username and password_file")
	}
	c.validateUser(l)
	for i, host := range c.TokenHosts {
		if !isHost(host) {
			l.Addf("token_hosts["+strconv.Itoa(i)+"]", "must be HOST or HOST:PORT, in lower case")
		}
	}
	for i, text := range c.Upstreams {
		if strings.HasPrefix(text, "unix:") {
			l.Addf("upstreams["+strconv.Itoa(i)+"]", "a mirror's begins with https://, or with http://")
		}
	}
}

// validateUser checks the gate's name and password at the remote registry.
func (c Config) validateUser(l *problem.List) {
	given := c.Password != "" || c.PasswordFile != ""
	switch {
	case c.Username == "" && given:
		l.Addf("username", "is missing beside the password")
	case c.Username != "" && !given:
		l.Addf("password_file", "is missing, and so is password")
	case strings.Contains(c.Username, ":"):
		l.Addf("username", "holds a colon, which no user of HTTP has (RFC 7617 2)")
	case c.Password != "" && c.PasswordFile != "":
		l.Addf("password_file", "is given beside password; one of them is enough")
	}
}

// mirrorKeys lists the keys that are set and belong to mirrors.
func (c Config) mirrorKeys() (keys []string) {
	for _, k := range [...]struct {
		key string
		set bool
	}{
		{"ns", c.NS != ""},
		{"username", c.Username != ""},
		{"password", c.Password != ""},
		{"password_file", c.PasswordFile != ""},
		{"token_hosts", len(c.TokenHosts) > 0},
	} {
		if k.set {
			keys = append(keys, k.key)
		}
	}
	return keys
}

// isHost reports whether text is a host, with or without a port, as it is
// compared with others: in lower case.
func isHost(text string) bool {
	host, port, found := strings.Cut(text, ":")
	if a, err := netip.ParseAddrPort(text); err == nil && a.Addr().Is6() {
		return true
	}
	if found {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '0' {
			return false
		}
	}
	return host != "" && len(host) <= 253 && strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789.-") == "" &&
		!strings.HasPrefix(host, ".") && !strings.HasSuffix(host, ".") && !strings.Contains(host, "..")
}
