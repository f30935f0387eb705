package edge

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/regate/regate/internal/oci"
)

// HostsConfig says under which names clients reach the gate.
type HostsConfig struct {
	Names     []string // host names, IP addresses, and "*.example.com" for one label
	HTTPSPort int      // of the https listener
	PublicURL string   // "https://HOST[:PORT]" if clients see something else; "" if not
}

// Hosts knows which Host headers are the gate's own. A public address in
// front of the listener may change name, port, or both, so any of the names
// may come with any of the ports.
type Hosts struct {
	names   map[string]bool // lower case
	domains map[string]bool // what follows the "*." of a wildcard
	addrs   map[netip.Addr]bool
	ports   map[int]bool

	httpsPort int  // of the listener
	public    host // of PublicURL; zero if there is none
}

const httpsPort = 443

// NewHosts compiles c.
func NewHosts(c HostsConfig) (*Hosts, error) {
	h := &Hosts{
		names:   make(map[string]bool),
		domains: make(map[string]bool),
		addrs:   make(map[netip.Addr]bool),
		ports:   map[int]bool{c.HTTPSPort: true},

		httpsPort: c.HTTPSPort,
	}
	for _, n := range c.Names {
		h.add(n)
	}
	if c.PublicURL != "" {
		host, err := publicHost(c.PublicURL)
		if err != nil {
			return nil, fmt.Errorf("public url %q: %w", c.PublicURL, err)
		}
		h.add(host.name)
		h.ports[host.port] = true
		h.public = host
	}
	return h, nil
}

func (h *Hosts) add(name string) {
	name = strings.ToLower(name)
	if addr, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		h.addrs[addr.Unmap()] = true
	} else if domain, ok := strings.CutPrefix(name, "*."); ok {
		h.domains[domain] = true
	} else {
		h.names[name] = true
	}
}

// Check lets only those requests pass whose Host is ours, and is the name that
// the client gave in the TLS handshake. The latter is checked for every
// request of a connection, since HTTP/2 clients reuse one for other names
// (RFC 9110 7.4, 15.5.20), and a client certificate asked for under one name
// must not be used under another.
func (h *Hosts) Check(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, w, r := enter(w, r)
		if err := h.check(r); err != nil {
			s.fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

var errForeignHost = errors.New("not a name of tls.hosts with the port of listen.https, nor listen.public_url")

// Serves reports whether a Host header is the gate's own.
func (h *Hosts) Serves(header string) bool {
	got, ok := parseHost(header)
	return ok && h.ports[got.port] && h.has(got)
}

func (h *Hosts) check(r *http.Request) error {
	got, _ := parseHost(r.Host)
	if !h.Serves(r.Host) {
		return oci.Errorf(oci.Misdirected, "this host is not served here").Because(errForeignHost)
	}
	if r.TLS != nil && r.TLS.ServerName != "" && !strings.EqualFold(r.TLS.ServerName, got.name) {
		return oci.Errorf(oci.Misdirected, "host is not the one of the TLS handshake")
	}
	return nil
}

func (h *Hosts) has(got host) bool {
	if got.addr.IsValid() {
		return h.addrs[got.addr]
	}
	if h.names[got.name] {
		return true
	}
	label, domain, _ := strings.Cut(got.name, ".")
	return label != "" && h.domains[domain]
}

// Origin is the public origin of a request that passed Check:
// "https://registry.example.com:8443". The host is spelt as the client spelt
// it, down to a needless ":443": containerd drops its credentials when the
// host of a Location is another text.
func Origin(r *http.Request) string { return "https://" + r.Host }

// Hostname is the Host of a request without its port, in lower case and without
// brackets; "" if it is none.
func Hostname(r *http.Request) string {
	h, _ := parseHost(r.Host)
	return h.name
}

// A host is a Host header taken apart.
type host struct {
	name string     // lower case, without brackets
	addr netip.Addr // if the name is an address
	port int
}

// parseHost reads host[:port] strictly: no user, no empty port, no zone, no
// trailing dot, and no character that a host name does not have, so that the
// text can stand in a URL as it is.
func parseHost(s string) (host, bool) {
	name, port, ok := splitPort(s)
	if !ok {
		return host{}, false
	}
	if inner, found := strings.CutPrefix(name, "["); found {
		inner, found = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		return host{strings.ToLower(inner), addr.Unmap(), port}, found && err == nil && addr.Is6() && addr.Zone() == ""
	}
	name = strings.ToLower(name)
	if addr, err := netip.ParseAddr(name); err == nil {
		return host{name, addr, port}, addr.Is4()
	}
	return host{name, netip.Addr{}, port}, validName(name)
}

// splitPort cuts off the port, which is 443 if there is none.
func splitPort(s string) (name string, port int, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.HasSuffix(s, "]") {
		return s, httpsPort, true
	}
	n, err := strconv.ParseUint(s[i+1:], 10, 16)
	return s[:i], int(n), err == nil && n > 0 && s[i+1] != '0'
}

// validName reports whether s is made of labels of letters, digits, "-" and
// "_", joined by single dots.
func validName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}
