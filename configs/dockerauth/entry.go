package dockerauth

import (
	"slices"
	"strings"

	"github.com/regate/regate/acme"
	"github.com/regate/regate/internal/problem"
)

// unknownHost stands where the source says no name under which clients reach
// the gate.
const unknownHost = "registry.example.com"

// writeEntry writes how clients get in: listen and tls, of docker_auth's
// server.
func (c *converter) writeEntry(p *page) {
	s := c.server
	c.addresses(s)
	p.line("")
	p.under("listen", func() {
		p.line(`https: ":443"`)
		c.writeProxies(p, s)
	})
	p.line("")
	version := c.version(s)
	p.under("tls", func() {
		c.writeTLS(p, s)
		if version != "" {
			p.line("min_version: %q", version)
		}
	})
	c.tuning(s)
	s.rest()
}

// addresses: docker_auth listens beside the registry, the gate in front of it.
func (c *converter) addresses(s *section) {
	if addr, line, ok := s.text("addr"); ok {
		c.report.add(line, Changed, s.key("addr"), "%s was where docker_auth gave out tokens; the gate listens where clients find the registry, on :443 (listen.https)", addr)
	}
	if network, line, ok := s.text("net"); ok && network != "tcp" {
		c.report.add(line, Changed, s.key("net"), "the gate listens on TCP alone")
	} else if ok {
		c.report.add(line, Needless, s.key("net"), "the gate listens on TCP")
	}
	if prefix, line, ok := s.text("path_prefix"); ok && prefix != "" {
		c.report.add(line, Changed, s.key("path_prefix"), "tokens are at /auth and /auth/token, without a prefix: see to it that auth.token.realm of your registries is https://HOST/auth")
	}
}

// writeProxies: docker_auth believes whoever sends the header. Whom the gate
// is to believe is not in its file.
func (c *converter) writeProxies(p *page, s *section) {
	header, line, ok := s.text("real_ip_header")
	pos, at, positioned := s.number("real_ip_pos")
	switch {
	case !ok || header == "":
		if positioned {
			c.report.add(at, Needless, s.key("real_ip_pos"), "says nothing without real_ip_header")
		}
		return
	case !strings.EqualFold(header, "X-Forwarded-For"):
		c.report.add(line, Changed, s.key("real_ip_header"), "the gate reads X-Forwarded-For, and only from listen.trusted_proxies: have your proxy send it, and name it there")
	default:
		c.report.add(line, Changed, s.key("real_ip_header"), "is believed from listen.trusted_proxies alone: name your proxy there, or everybody has its address")
	}
	if pos >= 0 {
		c.report.add(max(at, line), Dangerous, s.key("real_ip_header"), "docker_auth took an address counted from the left (real_ip_pos), which is what the client says it is; here it is the last one that is no trusted proxy's")
	} else {
		c.report.add(at, Needless, s.key("real_ip_pos"), "addresses of trusted proxies are passed over from the right, however many they are")
	}
	p.note("Who stands before the gate and sends X-Forwarded-For. Nobody else is believed.")
	p.line("#trusted_proxies: [10.0.0.0/24]")
	c.open("listen.trusted_proxies", "name the proxies that send X-Forwarded-For, if they stay before the gate")
}

// version is the oldest version of TLS, "" for the gate's default.
func (c *converter) version(s *section) string {
	text, line, ok := s.text("tls_min_version")
	switch {
	case !ok || text == "":
	case slices.Contains([]string{"TLS13", "0x0304"}, text):
		c.report.kept(line, line, s.key("tls_min_version"))
		return "1.3"
	case slices.Contains([]string{"TLS12", "0x0303"}, text):
		c.report.kept(line, line, s.key("tls_min_version"))
	default:
		c.report.add(line, Changed, s.key("tls_min_version"), "is 1.2: nothing older is spoken here")
	}
	return ""
}

func (c *converter) tuning(s *section) {
	if _, line, ok := s.texts("tls_curve_preferences"); ok {
		c.report.add(line, Needless, s.key("tls_curve_preferences"), "the gate offers what Go does, the good ones first")
	}
	if _, line, ok := s.texts("tls_cipher_suites"); ok {
		c.report.add(line, Needless, s.key("tls_cipher_suites"), "the gate offers those with forward secrecy and AEAD alone")
	}
	if yes, line, ok := s.flag("hsts"); ok && yes {
		c.report.add(line, Needless, s.key("hsts"), "is for browsers; registries' clients do not read it")
	}
}

// writeTLS writes where the certificate comes from. docker_auth prefers files
// to Let's Encrypt.
func (c *converter) writeTLS(p *page, s *section) {
	cert, line, hasCert := s.text("certificate")
	key, at, hasKey := s.text("key")
	acme, hasACME := s.child("letsencrypt")
	switch {
	case hasCert && hasKey && cert != "" && key != "":
		c.writeFiles(p, s, cert, key, line)
		if hasACME {
			c.report.add(acme.line, Needless, acme.path, "docker_auth does not look at it beside certificate")
		}
		return
	case hasCert || hasKey:
		c.report.add(max(line, at), Changed, s.path, "certificate and key go together, and docker_auth does not start with one of them")
	}
	if hasACME && c.writeACME(p, acme) {
		return
	}
	c.writeInternal(p, "docker_auth's file says nothing of a certificate.")
}

func (c *converter) writeFiles(p *page, s *section, cert, key string, line int) {
	hosts, err := c.on.Certificate(cert, key)
	if err != nil || !sayable(cert+key) {
		c.report.add(line, Changed, s.key("certificate"), "cannot be used as it is: %v; the gate has a CA of its own until you have changed tls", err)
		c.writeInternal(p, "docker_auth's certificate could not be used: these lines are for it.")
		p.line("#mode: files")
		p.line("#files: [{cert: %s, key: %s}]", quoted(printable(cert)), quoted(printable(key)))
		return
	}
	c.report.kept(line, line, s.key("certificate"))
	p.note("The names in docker_auth's certificate. Clients must reach the gate under one of them.")
	p.line("hosts: %s", quotedAll(hosts))
	p.line("mode: files")
	p.line("files: [{cert: %s, key: %s}]", quoted(cert), quoted(key))
}

// writeACME reports whether Let's Encrypt can be asked.
func (c *converter) writeACME(p *page, s *section) bool {
	email, line, _ := s.text("email")
	host, at, named := s.text("host")
	if _, line, ok := s.text("cache_dir"); ok {
		c.report.add(line, Needless, s.key("cache_dir"), "certificates are in state.path")
	}
	s.rest()
	if named = named && host != ""; !named {
		host = unknownHost
	}
	var cfg acme.Config
	cfg.Hosts, cfg.ACME.First.Email = []string{host}, email
	var wrong problem.List
	wrong.Under("", cfg.Validate())
	if wrong.Fatal() || !sayable(email) {
		c.report.add(s.line, Changed, s.path, "cannot be used as it is, without an address to write to or with a name that Let's Encrypt has no certificates for")
		return false
	}
	c.report.add(max(line, s.line), Changed, s.key("email"), "certificates are for tls.hosts alone, and docker_auth's letsencrypt never worked: it speaks plain HTTP")
	if named {
		c.report.kept(at, at, s.key("host"))
	} else {
		c.nameHost(p)
	}
	p.line("hosts: [%s]", quoted(host))
	p.line("mode: acme")
	p.line("acme: {email: %s}", quoted(email))
	return true
}

func (c *converter) writeInternal(p *page, why string) {
	c.nameHost(p)
	p.line("hosts: [%s]", unknownHost)
	p.note("%s With internal the gate has a CA of its own, which clients must be told to trust (`regate trust`); acme gets certificates that everybody trusts.", why)
	p.line("mode: internal")
}

func (c *converter) nameHost(p *page) {
	p.note("Write the name under which clients reach the registry.")
	c.open("tls.hosts", "write the name under which clients reach the registry in the place of %s", unknownHost)
}
