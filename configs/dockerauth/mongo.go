package dockerauth

import (
	"slices"
	"strings"
	"time"

	"github.com/regate/regate/authsvc/casbin"
	"github.com/regate/regate/authsvc/mongo"
)

// writeMongo reports whether there are accounts in MongoDB.
func (c *converter) writeMongo(p *page) bool {
	d, s, ok := c.documents("mongo_auth")
	if !ok {
		return false
	}
	d.body.line("any_password: true") // of which the check warns, as dangerous
	if len(c.mentioned()) > 0 {
		c.report.add(d.line, Dangerous, d.key, "a * in a label of a document is a wildcard in the globs of rules that mention it, here as there")
	}
	s.rest()
	d.check = valid[mongo.UsersConfig]
	return c.place(p, d)
}

func (c *converter) writeMongoRules(p *page) {
	d, s, ok := c.documents("acl_mongo")
	if !ok {
		return
	}
	c.report.add(d.line, Changed, d.key, "the rules are tried in the order of seq, which has to differ; docker_auth takes them as the database gives them. One that is wrong, or has a condition that does not exist, keeps all of them as they were, and what ${account:1} stands for is taken literally (docs/mongodb.md)")
	c.ttl(d, s)
	s.rest()
	d.check = valid[mongo.RulesConfig]
	if !c.place(p, d) {
		c.report.add(d.line, Dangerous, d.key, "until it is there, what its rules refuse is for those to decide that come after it")
	}
}

// ttl is the nearest that there is here.
func (c *converter) ttl(d *part, s *section) {
	const least, most = time.Second, 24 * time.Hour
	long, line, ok := s.duration("cache_ttl")
	switch near := min(max(long, least), most); {
	case !ok || long <= 0:
		c.report.add(max(line, d.line), Changed, s.key("cache_ttl"), "is 1m: docker_auth does not start without it")
	case near != long:
		d.body.line("cache_ttl: %s", near)
		c.report.add(line, Changed, s.key("cache_ttl"), "is %s, the nearest that there is here", near)
	default:
		d.body.line("cache_ttl: %s", long)
		c.report.kept(line, line, s.key("cache_ttl"))
	}
}

// documents begins a section with a collection.
func (c *converter) documents(key string) (d *part, s *section, ok bool) {
	s, ok = c.root.child(key)
	if !ok {
		return nil, nil, false
	}
	d = &part{key: key, line: s.line}
	d.body.line("dial_info:")
	d.body.in("  ", func() { c.dialInfo(d, s.optional("dial_info")) })
	d.carry(s, "collection")
	return d, s, true
}

func (c *converter) dialInfo(d *part, s *section) {
	if addrs, line, ok := s.texts("addrs"); ok && slices.ContainsFunc(addrs, isURL) {
		c.report.add(line, Changed, s.key("addrs"), "is left out: addresses are HOST or HOST:PORT")
	} else if ok {
		d.body.line("addrs: %s", quotedAll(addrs))
		if len(addrs) > 1 {
			c.report.add(line, Changed, s.key("addrs"), "all of them are asked, as members of one set; docker_auth asks the first alone")
		} else {
			c.report.kept(line, line, s.key("addrs"))
		}
	}
	d.carry(s, "database", "username")
	d.hidden(s, "password", "password_file")
	d.times(s, "timeout")
	if yes, line, ok := s.flag("enable_tls"); ok {
		c.report.kept(line, line, s.key("enable_tls"))
		if yes {
			d.body.line("enable_tls: true")
		}
	}
	s.rest()
}

// isURL finds what may have a password in it.
func isURL(addr string) bool { return strings.ContainsAny(addr, "@/") }

// writeCasbin has the policy decide that docker_auth has.
func (c *converter) writeCasbin(p *page) {
	s, ok := c.root.child("casbin_authz")
	if !ok {
		return
	}
	d := &part{key: "casbin_authz", line: s.line, check: valid[casbin.Config]}
	var cfg casbin.Config
	cfg.ModelPath, _, _ = s.text("model_path")
	cfg.PolicyPath, _, _ = s.text("policy_path")
	c.report.add(d.line, Changed, d.key, "a line of the policy that makes no sense, labels that are no JSON, and what cannot be computed are mistakes; docker_auth swallows them (docs/casbin.md)")
	d.carry(s, "model_path", "policy_path")
	s.rest()
	d.try = func() error { return c.on.Policy(cfg) }
	c.place(p, d)
}
