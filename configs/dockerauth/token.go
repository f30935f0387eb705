package dockerauth

import (
	"github.com/regate/regate/authsvc/token"
	"github.com/regate/regate/internal/problem"
)

// How long a token lives, in seconds.
const (
	leastLife = 60
	mostLife  = 86400
	usualLife = 900
)

func (c *converter) writeRegistries(p *page) {
	c.open("registries.main", "write where your registry listens in the place of http://127.0.0.1:5000")
	p.line("")
	p.under("registries", func() {
		p.under("main", func() {
			p.note("docker_auth's file does not say where the registry is: write its address.")
			p.line(`upstreams: ["http://127.0.0.1:5000"]`)
			p.note("The registry goes on checking tokens, with the gate's token root in the place of docker_auth's certificate: `regate root` prints what it needs. If it checks none any more, write auth: none.")
			p.line("auth: {mode: forward}")
		})
	})
}

func (c *converter) writeToken(p *page) {
	s := c.root.optional("token")
	issuer := c.issuer(s)
	life := c.life(s)
	c.signing(s)
	s.rest()
	service, said := c.service()
	p.under("token", func() {
		if issuer != "" {
			p.line("issuer: %s", quoted(issuer))
		}
		if said {
			p.note("As in the rules below, and in auth.token.service of the registry.")
		} else {
			p.note("docker_auth signs tokens for any service. Write what the registry has as auth.token.service.")
			c.open("auth.token.service", "write what the registry has as auth.token.service in the place of %s; docker_auth signs tokens for any, the gate for this one", service)
		}
		p.line("service: %s", quoted(service))
		p.line("expiration: %d", life)
	})
}

func (c *converter) issuer(s *section) string {
	issuer, line, ok := s.text("issuer")
	var wrong problem.List
	wrong.Under("", token.Config{Issuer: issuer}.Validate())
	switch {
	case !ok || issuer == "":
		c.open("auth.token.issuer", "is regate; write what the registry has as auth.token.issuer")
		return ""
	case wrong.Fatal() || !sayable(issuer):
		c.report.add(line, Changed, s.key("issuer"), `is "regate": clients cannot read what is not printable ASCII without quotes and backslashes; your registries must have the same in auth.token.issuer`)
		return ""
	}
	c.report.kept(line, line, s.key("issuer"))
	return issuer
}

func (c *converter) life(s *section) int {
	life, line, ok := s.number("expiration")
	switch {
	case !ok:
		return usualLife
	case life <= 0:
		c.report.add(line, Changed, s.key("expiration"), "is %d: docker_auth does not start with %d", usualLife, life)
		return usualLife
	case life < leastLife:
		c.report.add(line, Changed, s.key("expiration"), "is %d: clients take a shorter life for as much anyway", leastLife)
		return leastLife
	case life > mostLife:
		c.report.add(line, Changed, s.key("expiration"), "is %d, a day: a token cannot be taken back before its end", mostLife)
		return mostLife
	}
	c.report.kept(line, line, s.key("expiration"))
	return life
}

// signing: tokens are signed in another way here.
func (c *converter) signing(s *section) {
	if _, line, ok := s.text("certificate"); ok {
		c.report.add(line, Needless, s.key("certificate"), "the gate signs with keys of its own: give your registries what `regate root` prints as rootcertbundle")
	}
	if _, line, ok := s.text("key"); ok {
		c.report.add(line, Needless, s.key("key"), "the gate signs with keys of its own, which change by themselves")
	}
	if _, line, ok := s.flag("disable_legacy_key_id"); ok {
		c.report.add(line, Needless, s.key("disable_legacy_key_id"), "tokens carry their certificate, which every version of the registry takes")
	}
}

// service is that of most rules which name one; the gate has no other.
func (c *converter) service() (service string, said bool) {
	count := make(map[string]int)
	for _, r := range c.rules {
		if text, ok := r.service(); ok {
			if count[text]++; count[text] > count[service] {
				service = text
			}
		}
	}
	if service == "" {
		return "registry", false
	}
	for _, r := range c.rules {
		if text, ok := r.service(); ok && text != service {
			r.kept = false
			c.report.add(r.lineOf("service"), Changed, problem.Join(r.path, "match.service"), "never applies: the gate gives out tokens for %q alone, which is the service of most rules (auth.token.service)", service)
		}
	}
	return service, true
}

// service is the one that a rule names, if tokens can be for it.
func (r *rule) service() (string, bool) {
	text, ok := r.parts["service"].literal()
	valid := token.Config{Service: text}.Validate() == nil
	return text, ok && text != "" && valid && sayable(text)
}
