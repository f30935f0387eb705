package storage

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/regate/regate/internal/network"
	"github.com/regate/regate/internal/problem"
)

// The modes.
const (
	Pass   = "pass"   // clients get the redirect
	Follow = "follow" // the gate follows it, and clients get the blob
)

// A Config says what becomes of a registry's redirects.
type Config struct {
	// Mode is pass (the default): clients get the redirect to the storage, so
	// they must reach it and trust its certificate; or follow: the gate fetches
	// the blob, and clients see no more than the gate. Those of a mirror are
	// always followed.
	Mode string `yaml:"mode"`

	// Except are the networks of clients for which it is the other of both.
	// Default none.
	Except []string `yaml:"except"`

	// Hosts are those that are followed, HOST or HOST:PORT, https alone unless
	// http:// stands before it. *.HOST is any host below it. Default none, so
	// that following needs some; a mirror may besides lead to any https host
	// with an address of the internet, on port 443.
	Hosts []string `yaml:"hosts"`

	// TLS is for a storage whose certificate the system does not trust.
	TLS TLS `yaml:"tls"`
}

// TLS is the trust between the gate and a storage.
type TLS struct {
	// CA is a file of PEM certificates that are trusted besides the system's.
	CA string `yaml:"ca"`
}

// IsZero reports whether nothing is set.
func (c Config) IsZero() bool {
	return c.Mode == "" && len(c.Except) == 0 && len(c.Hosts) == 0 && c.TLS == TLS{}
}

// follows reports whether any client's redirects are followed.
func (c Config) follows() bool { return c.Mode == Follow || len(c.Except) > 0 }

// Validate returns all mistakes as a problem.List. It opens nothing. With always,
// there is no mode to choose.
func (c Config) Validate(always bool) error {
	var l problem.List
	switch {
	case always && (c.Mode == Pass || len(c.Except) > 0):
		l.Addf("mode", "redirects of a mirror are always followed: clients are to reach the gate alone")
	case c.Mode != "" && c.Mode != Pass && c.Mode != Follow:
		l.Addf("mode", "%q is neither pass nor follow", c.Mode)
	case !always && c.follows() && len(c.Hosts) == 0:
		l.Addf("hosts", "is missing: the gate must know where the registry's storage is before it follows a redirect")
	case !always && !c.follows() && len(c.Hosts) > 0:
		l.Addf("hosts", "has no meaning where no redirect is followed: mode is pass, and there is no except")
	}
	for i, text := range c.Except {
		if _, err := network.Parse(text); err != nil {
			l.Addf("except["+strconv.Itoa(i)+"]", "%q is neither an address nor a network such as 10.0.0.0/8", text)
		}
	}
	for i, text := range c.Hosts {
		if _, ok := parseHost(text); !ok {
			l.Addf("hosts["+strconv.Itoa(i)+"]", "%q is no host: write HOST, HOST:PORT or *.HOST, and http:// before it if it has no TLS", text)
		}
	}
	return l.Err()
}

// A host is one of Config.Hosts.
type host struct {
	scheme, name, port string
	below              bool // any host below name
}

func parseHost(text string) (h host, ok bool) {
	h.scheme = "https"
	if rest, plain := strings.CutPrefix(text, "http://"); plain {
		h.scheme, text = "http", rest
	}
	text, h.below = strings.CutPrefix(text, "*.")
	u, err := url.Parse(h.scheme + "://" + text)
	if err != nil || u.Host != text || text == "" || strings.HasSuffix(text, ":") {
		return host{}, false
	}
	h.name, h.port = address(u)
	if _, err := netip.ParseAddr(h.name); err == nil {
		return h, !h.below
	}
	n, err := strconv.ParseUint(h.port, 10, 16)
	return h, err == nil && n > 0 && h.name != "" && strings.Trim(h.name, nameBytes) == "" && strings.Trim(h.name, ".") == h.name
}

const nameBytes = "abcdefghijklmnopqrstuvwxyz0123456789.-_"

// address is the host and port of a URL as they are compared.
func address(u *url.URL) (name, port string) {
	name, port = strings.ToLower(u.Hostname()), u.Port()
	if port == "" && u.Scheme == "http" {
		port = "80"
	} else if port == "" {
		port = "443"
	}
	return strings.TrimSuffix(name, "."), port
}

// has reports whether u is at the host.
func (h host) has(u *url.URL) bool {
	name, port := address(u)
	if h.scheme != u.Scheme || h.port != port {
		return false
	}
	return name == h.name && !h.below || h.below && strings.HasSuffix(name, "."+h.name)
}
