package configs

import (
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/regate/regate/acme"
	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/problem"
	"github.com/regate/regate/proxy"
	"github.com/regate/regate/proxy/upstream"
)

// maxSocketPath is the longest path of a Unix socket (unix(7), sun_path).
const maxSocketPath = 107

// checkEntry compares how clients come in with what they are shown.
func (f *File) checkEntry(bad *problem.List) {
	host := f.publicHost()
	switch {
	case f.TLS.Mode == acme.ModeProxied:
		if len(f.Listen.TrustedProxies) == 0 {
			bad.Addf("listen.trusted_proxies", "is needed with tls.mode proxied: list the balancer's addresses, since nobody else may speak plain HTTP to the gate")
		}
		if f.Listen.PublicURL == "" {
			bad.Addf("listen.public_url", "is needed with tls.mode proxied: the gate cannot see under which name and port clients reach the balancer")
		}
	case host != "" && !f.TLS.Covers(host):
		bad.Warnf("listen.public_url", "%s is none of tls.hosts, so whatever stands before the gate must have the certificate for it", host)
	}
	f.checkChallenges(bad)
	f.checkClients(bad)
	if path := f.ControlSocket(); len(path) > maxSocketPath {
		bad.Addf("listen.control", "%s is longer than the %d bytes that a socket's path may have", path, maxSocketPath)
	}
}

// checkChallenges: CAs look at these ports, whatever ports stand here.
func (f *File) checkChallenges(bad *problem.List) {
	if f.TLS.NeedsHTTP() && f.Listen.HTTP == "" {
		bad.Addf("tls.acme.challenges", "http-01 alone needs listen.http, which is off: turn it on, or add tls-alpn-01")
	}
	if f.TLS.ProvedHere() && f.Listen.PublicURL == "" && port(f.Listen.HTTPS) != "443" && port(f.Listen.HTTP) != "80" {
		bad.Warnf("listen", "CAs connect to port 443 or 80 of tls.hosts, and the gate listens on neither: see to it that one of them leads here, or use tls.acme.dns")
	}
}

// checkClients: certificates that are asked for are for somebody, and the other
// way round.
func (f *File) checkClients(bad *problem.List) {
	asked, known := f.TLS.ClientCA != "", len(f.Auth.ClientCertificates) > 0
	switch {
	case asked && !known:
		bad.Addf("tls.client_ca", "needs auth.client_certificates, which say whose the certificates are, such as [{name: cn}]")
	case known && !asked:
		bad.Addf("auth.client_certificates", "needs tls.client_ca, the CAs whose certificates are believed")
	}
}

// port is that of an address, "" if there is none.
func port(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

// publicHost is the name in public_url, "" if there is none.
func (f *File) publicHost() string {
	name, _ := edge.PublicName(f.Listen.PublicURL) // Listen says what is wrong
	return name
}

func (f *File) checkRoutes(bad *problem.List) {
	if len(f.Registries) == 0 {
		bad.Addf("registries", `names no registry; write registries: {main: {upstreams: ["http://HOST:5000"]}}`)
		return
	}
	bad.Under("routes", proxy.ValidateRoutes(f.Routes, f.Registries))
	used := make(map[string]bool)
	for i, r := range f.Routes {
		used[r.Registry] = true
		if isName(r.Host) && !f.hasHost(r.Host) {
			bad.Addf(indexPath("routes", i)+".host", "%s is neither one of tls.hosts nor listen.public_url's, so no request for it is let in", r.Host)
		}
	}
	f.checkMirrors(bad)
	for _, name := range f.registries() {
		path := problem.Key("registries", name)
		if len(f.Routes) > 0 && !used[name] && !f.Registries[name].Mirror() {
			bad.Warnf(path, "no route leads to it")
		}
		f.checkExposed(bad, path, f.Registries[name])
	}
}

// hasHost reports whether any of our names is for a route's host, which may
// have a star.
func (f *File) hasHost(host string) bool {
	for _, name := range append([]string{f.publicHost()}, f.TLS.Hosts...) {
		if acme.MatchHost(name, host) || acme.MatchHost(host, name) {
			return true
		}
	}
	return false
}

// checkExposed finds registries that trust their network although that is the
// internet. Names are not looked up: an answer can change at any time.
func (f *File) checkExposed(bad *problem.List, path string, c upstream.Config) {
	if c.Mirror() || c.Auth.Mode != "" && c.Auth.Mode != upstream.ModeNone {
		return
	}
	for i, text := range c.Upstreams {
		u, err := url.Parse(text)
		if err != nil {
			continue
		}
		if a, err := netip.ParseAddr(u.Hostname()); err == nil && a.IsGlobalUnicast() && !a.IsPrivate() {
			bad.Warnf(indexPath(path+".upstreams", i), "%s is a public address, and auth: none lets everybody in who reaches it; see to it that only the gate does, or use another mode", a)
		}
	}
}

// checkUsers: where the gate decides, somebody must be able to log in, and
// hardly to do nothing then.
func (f *File) checkUsers(bad *problem.List) {
	for _, c := range f.Registries {
		if !c.Checked() {
			continue
		}
		if !f.Auth.KnowsAnybody() {
			bad.Addf("auth.users", "there is no user, so nobody could log in: add one with a password from `regate hash`")
		}
		if !f.Auth.GrantsAnything() {
			bad.Warnf("auth.acl", "there is no rule, so nothing is granted to anybody")
		}
		return
	}
}

// checkTokens keeps the tokens of clients and registries apart, and the key
// that signs them from those that the world sees.
func (f *File) checkTokens(bad *problem.List) {
	clients := f.Auth.Token.WithDefaults()
	known := make(map[[2]string]string)
	for _, name := range f.registries() {
		c := f.Registries[name]
		if c.Auth.Mode != upstream.ModeToken {
			continue
		}
		path := problem.Key("registries", name) + ".auth"
		audience := [2]string{c.Auth.Issuer, c.Auth.Service}
		if other, twice := known[audience]; twice {
			bad.Warnf(path+".service", "is that of registry %s as well, so a token for one of them opens the other", other)
		}
		known[audience] = name
		if c.Auth.Issuer == clients.Issuer {
			bad.Addf(path+".issuer", "%q is auth.token.issuer: a client's own token would open the registry without the gate", c.Auth.Issuer)
		}
		if whose := f.forClients(c.Auth.Service, clients.Service); whose != "" {
			bad.Addf(path+".service", "%q is %s: a client's own token would open the registry without the gate", c.Auth.Service, whose)
		}
	}
	f.checkRoot(bad)
}

// checkRoot: whoever has a TLS certificate below the token root could sign
// tokens with its key.
func (f *File) checkRoot(bad *problem.List) {
	tls := []string{f.TLS.Internal.CACert, f.TLS.Internal.CAKey, f.TLS.ClientCA}
	for _, pair := range f.TLS.Files {
		tls = append(tls, pair.Cert, pair.Key)
	}
	root := f.Auth.Token.Root
	for _, k := range []struct{ key, path string }{
		{"root.cert", root.Cert}, {"root.key", root.Key}, {"root_file", f.Auth.Token.RootFile},
	} {
		same := func(path string) bool { return path != "" && filepath.Clean(path) == filepath.Clean(k.path) }
		if k.path != "" && slices.ContainsFunc(tls, same) {
			bad.Addf("auth.token."+k.key, "%s is used for TLS as well; tokens need a root of their own, or a TLS key could sign them", k.path)
		}
	}
}
