package dockerauth

import (
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/sqldb"
)

// writeXorm reports whether a database knows accounts.
func (c *converter) writeXorm(p *page) bool {
	d, cfg, s, ok := c.table("xorm_auth")
	if !ok {
		return false
	}
	c.report.add(d.line, Changed, d.key, "the table is neither made nor changed, and names are what is written there, also where MySQL takes Alice for alice (docs/databases.md)")
	c.report.add(d.line, Changed, d.key, "a password_hash that is neither empty nor a bcrypt hash is 503 for the account, and a line in the log; in docker_auth it is a wrong password")
	if len(c.mentioned()) > 0 {
		c.report.add(d.line, Dangerous, d.key, "a * in a label of the table is a wildcard in the globs of rules that mention it, here as there")
	}
	s.rest()
	d.check = func(string) error { return cfg.Validate() }
	return c.place(p, d)
}

func (c *converter) writeXormRules(p *page) {
	d, cfg, s, ok := c.table("acl_xorm")
	if !ok {
		return
	}
	c.report.add(d.line, Changed, d.key, "a key that does not exist, null, and two rules with the same seq are mistakes, and no new rule counts until they are gone (docs/databases.md)")
	c.ttl(d, s)
	s.rest()
	d.check = func(string) error { return cfg.Validate() }
	if !c.place(p, d) {
		c.report.add(d.line, Dangerous, d.key, "until it is there, what its rules refuse is decided by those that come after it, if there are any")
	}
}

// table begins a section with a conn string. What is checked is cfg, which has
// it, and not what is written, which may not.
func (c *converter) table(key string) (d *part, cfg sqldb.Connection, s *section, ok bool) {
	if s, ok = c.root.child(key); !ok {
		return nil, cfg, nil, false
	}
	d = &part{key: key, line: s.line}
	cfg.DatabaseType, _, _ = s.text("database_type")
	text, _, _ := s.text("conn_string")
	cfg.ConnString = authn.Secret(text)
	s.used["database_type"] = false // carry asks again
	d.carry(s, "database_type")
	switch {
	case text == "": // which is said by Validate
	case cfg.HasPassword():
		d.hidden(s, "conn_string", "conn_string_file")
	default:
		d.carry(s, "conn_string")
	}
	return d, cfg, s, true
}
