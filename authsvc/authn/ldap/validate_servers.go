package ldap

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/regate/regate/internal/problem"
)

// The ways to speak to a server.
const (
	tlsNone   = "none"
	tlsStart  = "starttls"
	tlsAlways = "always"
)

func (c Config) checkServers(l *problem.List) {
	switch {
	case c.Addr == "" && len(c.Addrs) == 0:
		l.Addf("addr", "is missing; name the directory's server, such as ldap.example.com:636")
	case c.Addr != "" && len(c.Addrs) > 0:
		l.Addf("addrs", "is given beside addr; put all of them here")
	case c.Addr != "":
		checkAddr(l, "addr", c.Addr)
	}
	for i, addr := range c.Addrs {
		checkAddr(l, "addrs["+strconv.Itoa(i)+"]", addr)
	}
	if !slices.Contains([]string{"", tlsNone, tlsStart, tlsAlways}, c.TLS) {
		l.Addf("tls", "%q is none of none, starttls, always", c.TLS)
		return
	}
	c.checkTLS(l)
}

func checkAddr(l *problem.List, path, addr string) {
	if _, rest, ok := strings.Cut(addr, "://"); ok {
		l.Addf(path, "is HOST:PORT, not a URL: write %s, and tls: always for ldaps", strings.TrimSuffix(rest, "/"))
		return
	}
	host, port, err := net.SplitHostPort(addr)
	if number, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || number == 0 || host == "" {
		l.Addf(path, "%q is not HOST:PORT, such as ldap.example.com:636", addr)
	}
}

// checkTLS warns of what lets others read passwords.
func (c Config) checkTLS(l *problem.List) {
	all := c.withDefaults().Addrs
	clear := slices.DeleteFunc(slices.Clone(all), func(addr string) bool { return c.tlsOf(addr) != tlsNone })
	switch {
	case len(clear) == len(all) && (c.CACertificate != "" || c.InsecureTLSSkipVerify):
		l.Warnf("tls", "is none, so ca_certificate and insecure_tls_skip_verify mean nothing: use starttls or always")
	case c.InsecureTLSSkipVerify:
		l.Warnf("insecure_tls_skip_verify", "anybody on the way can pretend to be the directory, and read all passwords: give its CA as ca_certificate")
	}
	for _, addr := range clear {
		if !isLocal(addr) {
			l.Warnf("tls", "passwords can be read by everybody on the way to %s: use starttls or always", addr)
			return
		}
	}
}

func isLocal(addr string) bool {
	host, _, _ := net.SplitHostPort(addr)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}
