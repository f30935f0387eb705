package dockerauth

import (
	"strings"

	"github.com/regate/regate/authsvc/ext"
	"github.com/regate/regate/internal/problem"
)

// writeExtAuth reports whether a program knows accounts.
func (c *converter) writeExtAuth(p *page) bool {
	b, line, ok := c.program("ext_auth")
	if !ok {
		return false
	}
	c.report.add(line, Changed, "ext_auth", "the program must answer within 5s, its environment is PATH and HOME, and it is not asked about whoever does not log in, names with spaces, and empty passwords (docs/programs.md)")
	if labels := c.mentioned(); len(labels) > 0 {
		c.report.add(line, Dangerous, "ext_auth", "a * in a label that the program gives is a wildcard in the globs of rules that mention it, here as there")
	}
	return c.writeProgram(p, "ext_auth", b, line)
}

func (c *converter) writeExtAuthz(p *page) {
	b, line, ok := c.program("ext_authz")
	if !ok {
		return
	}
	c.report.add(line, Changed, "ext_authz", "the program must answer within 5s, its environment is PATH and HOME, 2 says that it has nothing to say, and what it writes to standard output is read (docs/programs.md)")
	c.writeProgram(p, "ext_authz", b, line)
}

// program is a section that names one.
func (c *converter) program(key string) (b ext.Backend, line int, ok bool) {
	s, ok := c.root.child(key)
	if !ok {
		return b, 0, false
	}
	b.Command, _, _ = s.text("command")
	b.Args, _, _ = s.texts("args")
	s.rest()
	var wrong problem.List
	wrong.Under("", b.Validate())
	if wrong.Fatal() || !sayable(strings.Join(append([]string{b.Command}, b.Args...), "\n")) {
		c.report.add(s.line, Changed, key, "is left out: it names no program, and docker_auth does not start with it")
		return b, 0, false
	}
	return b, s.line, true
}

// writeProgram reports whether the program can be started. Where it cannot,
// the section stands there as a comment: without it nobody gets in and nothing
// is granted, and with it the gate would not start.
func (c *converter) writeProgram(p *page, key string, b ext.Backend, line int) bool {
	write := func() {
		p.line("command: %s", quoted(b.Command))
		if len(b.Args) > 0 {
			p.line("args: %s", quotedAll(b.Args))
		}
	}
	p.line("")
	if err := c.on.Program(b.Command); err != nil {
		c.report.add(line, Open, key, "is a comment until the program is here: %v", err)
		p.note("The program is not on this machine. Take the # away where it is.")
		p.off(key, write)
		return false
	}
	p.under(key, write)
	return true
}
