package mongo

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/regate/regate/internal/problem"
)

// Validate reports all mistakes. It opens nothing.
func (c UsersConfig) Validate() error {
	var l problem.List
	l.Under("dial_info", c.DialInfo.Validate())
	checkCollection(&l, c.Collection, "users")
	if c.AnyPassword {
		l.Warnf("any_password", "anybody gets in as an account whose document has no password, with any that is not empty: delete it unless that is meant")
	}
	return l.Err()
}

// Validate reports all mistakes. It opens nothing.
func (c RulesConfig) Validate() error {
	var l problem.List
	l.Under("dial_info", c.DialInfo.Validate())
	checkCollection(&l, c.Collection, "acl")
	l.Under("", c.Refresh.Validate())
	return l.Err()
}

// Validate reports all mistakes. It opens nothing.
func (d DialInfo) Validate() error {
	var l problem.List
	d.checkAddrs(&l)
	known := len(l) == 0
	checkDatabase(&l, "database", d.Database, true)
	checkDatabase(&l, "auth_source", d.AuthSource, false)
	d.checkLogin(&l)
	d.checkTLS(&l, known)
	if full := d.withDefaults(); full.Timeout < leastTimeout || full.Timeout > mostTimeout {
		l.Addf("timeout", "%s is not between %s and %s", d.Timeout, leastTimeout, mostTimeout)
	}
	return l.Err()
}

func (d DialInfo) checkAddrs(l *problem.List) {
	if len(d.Addrs) == 0 {
		l.Addf("addrs", "is missing; name the servers, such as [mongo.example.com]")
	}
	if d.Direct && len(d.Addrs) > 1 {
		l.Addf("direct", "asks one server, and addrs has %d", len(d.Addrs))
	}
	if d.Direct && d.ReplicaSet != "" {
		l.Addf("direct", "contradicts replica_set: leave one of them out")
	}
	for i, addr := range d.Addrs {
		checkAddr(l, "addrs["+strconv.Itoa(i)+"]", addr)
	}
}

func checkAddr(l *problem.List, path, addr string) {
	if strings.Contains(addr, "://") { // not shown: there may be a password in it
		l.Addf(path, "is HOST or HOST:PORT, not a URL; what the URL says besides are keys of dial_info")
		return
	}
	host, port, err := net.SplitHostPort(withPort(addr))
	number, bad := strconv.ParseUint(port, 10, 16)
	if err != nil || bad != nil || number == 0 || host == "" || strings.ContainsAny(host, "/@ ,?") {
		l.Addf(path, "%q is neither HOST nor HOST:PORT, such as mongo.example.com:27017", addr)
	}
}

// withPort adds the port that is meant where none is written.
func withPort(addr string) string {
	if _, err := netip.ParseAddr(addr); err == nil {
		return net.JoinHostPort(addr, defaultPort)
	}
	if !strings.Contains(addr, ":") {
		return addr + ":" + defaultPort
	}
	return addr
}

func checkDatabase(l *problem.List, path, name string, required bool) {
	switch {
	case name == "" && required:
		l.Addf(path, "is missing; docker_auth's is docker_auth in its examples")
	case strings.ContainsAny(name, "/\\. \"$\x00") || len(name) > 63:
		if name != "$external" || required {
			l.Addf(path, "%q is not the name of a database", name)
		}
	}
}

func checkCollection(l *problem.List, name, usual string) {
	switch {
	case name == "":
		l.Addf("collection", "is missing; docker_auth's is %s in its examples", usual)
	case strings.ContainsAny(name, "$\x00") || strings.HasPrefix(name, "system."):
		l.Addf("collection", "%q is not the name of a collection", name)
	}
}

func (d DialInfo) checkLogin(l *problem.List) {
	given := d.Password != "" || d.PasswordFile != ""
	switch {
	case d.Password != "" && d.PasswordFile != "":
		l.Addf("password_file", "is given beside password: leave one of them out")
	case d.Username != "" && !given:
		l.Addf("password_file", "is missing beside username")
	case d.Username == "" && given:
		l.Addf("username", "is missing beside the password")
	}
	if d.Username == "" && d.AuthSource != "" {
		l.Warnf("auth_source", "means nothing without username")
	}
}

// checkTLS warns of what lets others read hashes, or write rules, if it is known
// who is asked.
func (d DialInfo) checkTLS(l *problem.List, known bool) {
	if d.EnableTLS {
		return
	}
	if d.CACertificate != "" {
		l.Addf("ca_certificate", "means nothing without enable_tls: true")
		return
	}
	for _, addr := range d.Addrs {
		if known && !isLocal(addr) {
			l.Warnf("enable_tls", "is false, so everybody on the way to %s can read what the database says, and say something else: use true", addr)
			return
		}
	}
}

func isLocal(addr string) bool {
	host, _, _ := net.SplitHostPort(withPort(addr))
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
