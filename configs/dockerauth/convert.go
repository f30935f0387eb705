package dockerauth

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/regate/regate/authsvc/authn/ldap"
	"github.com/regate/regate/authsvc/casbin"
)

// A Machine says what is there of what the source names. docker_auth's paths
// are often those in a container.
type Machine interface {
	// Program returns an error if a program cannot be started.
	Program(command string) error
	// Directory returns an error if the files of a directory, which is valid,
	// are of no use.
	Directory(cfg ldap.Config) error
	// File returns an error if a file is not there, or holds nothing.
	File(path string) error
	// Policy returns an error if the files of a policy, whose configuration is
	// valid, are of no use.
	Policy(cfg casbin.Config) error
	// Certificate returns the hosts that a certificate is for, or an error if
	// it is of no use.
	Certificate(cert, key string) (hosts []string, err error)
}

// A Result is what became of a configuration.
type Result struct {
	YAML   []byte // a configuration of the gate, which it takes as it is
	Report Report // in the order of the source's lines
}

// ErrForeign says that a file is nothing of docker_auth's.
var ErrForeign = errors.New("has none of docker_auth's sections (server, token, users, acl, …)")

// sections are those that docker_auth knows, apart from plugins.
var sections = []string{
	"server", "token", "users", "ext_auth", "google_auth", "github_auth", "oidc_auth", "gitlab_auth", "ldap_auth", "mongo_auth", "xorm_auth",
	"acl", "acl_mongo", "acl_xorm", "ext_authz", "casbin_authz",
}

// plugins are the sections that the gate has nothing like: code that would run
// inside it.
var plugins = []string{"plugin_authn", "plugin_authz"}

// A converter is at work on one source.
type converter struct {
	on     Machine
	report Report
	root   *section
	server *section
	rules  []*rule
}

// Convert makes a configuration of the gate of docker_auth's. The error is a
// *SyntaxError, ErrForeign, or says that the source is too large. The name of
// the source is for the result's first line alone.
func Convert(name string, source []byte, on Machine) (Result, error) {
	tree, second, err := parse(source)
	if err != nil {
		return Result{}, err
	}
	c := &converter{on: on}
	c.root = newSection(&c.report, "", tree)
	if !c.known() {
		return Result{}, ErrForeign
	}
	if second > 0 {
		c.report.add(second, Needless, "", "a second document begins here, which docker_auth does not read")
	}
	c.server = c.root.optional("server")
	c.readRules()
	p := &page{}
	p.note("Made of %s by `regate import docker_auth`, which said what to look at.", quoted(name))
	c.writeEntry(p)
	c.writeRegistries(p)
	c.writeAuth(p)
	c.reportPlugins()
	c.root.rest()
	return Result{YAML: []byte(p.b.String()), Report: c.report.inOrder()}, nil
}

func (c *converter) known() bool {
	return slices.ContainsFunc(c.root.entries, func(e entry) bool {
		return slices.Contains(sections, e.key) || slices.Contains(plugins, e.key)
	})
}

// reportPlugins says what can take their place.
func (c *converter) reportPlugins() {
	if e, ok := c.root.find("plugin_authn"); ok {
		c.report.add(e.line, Changed, "plugin_authn", "is left out: there are no Go plugins, and none will come; ext_auth asks a program or a hook (docs/programs.md)")
	}
	if e, ok := c.root.find("plugin_authz"); ok {
		c.report.add(e.line, Dangerous, "plugin_authz", "is left out, and what it refuses is for those to decide that come after it: there are no Go plugins, and none will come; ext_authz asks a program or a hook (docs/programs.md)")
	}
}

// readRules comes first, because the rules say what else is needed: services
// and labels.
func (c *converter) readRules() {
	e, ok := c.root.find("acl")
	if !ok {
		return
	}
	if e.val.kind != list {
		c.root.wrong(e.line, "acl", "a list")
		return
	}
	header, _, _ := c.server.text("real_ip_header")
	for i, n := range e.val.items {
		before := len(c.report)
		r := readRule(&c.report, indexPath("acl", i), n)
		if r.Match.IP != nil && header != "" {
			c.report.add(r.lineOf("ip"), Dangerous, r.path+".match.ip", "is about your proxy's address, and so about everybody's, until listen.trusted_proxies names the proxy")
		}
		r.kept = c.report.silent(before)
		c.rules = append(c.rules, r)
	}
}

func (c *converter) writeAuth(p *page) {
	p.line("")
	p.under("auth", func() {
		c.writeToken(p)
		users := readUsers(&c.report, c.root)
		var rest page
		rest.indent = p.indent
		others := c.writeExtAuth(&rest)
		others = c.writeBrowsers(&rest) || others
		others = c.writeLDAP(&rest) || others
		others = c.writeMongo(&rest) || others
		others = c.writeXorm(&rest) || others
		c.writeUsers(p, users, others)
		p.b.WriteString(rest.b.String())
		c.writeRules(p)
		c.writeMongoRules(p)
		c.writeXormRules(p)
		c.writeExtAuthz(p)
		c.writeCasbin(p)
	})
}

func (c *converter) writeRules(p *page) {
	for _, r := range c.rules {
		if r.kept {
			c.report.kept(r.line, r.last, r.path)
		}
	}
	p.line("")
	if !slices.ContainsFunc(c.rules, func(r *rule) bool { return r.lost == "" }) {
		p.line("acl: []")
		return
	}
	p.under("acl", func() {
		for _, r := range c.rules {
			p.carry(r.comment)
			switch {
			case r.refuses:
				p.note("%s, line %d: refuses until you have rewritten it.", r.path, r.line)
			case r.lost != "":
				p.note("%s, line %d, is left out: %s.", r.path, r.line, r.lost)
				continue
			}
			p.line("- %s", r.Rule)
		}
	})
}

// mentioned are the labels whose values rules put into patterns.
func (c *converter) mentioned() []string {
	labels := make(map[string]bool)
	for _, r := range c.rules {
		for _, t := range r.parts {
			for _, l := range t.labels {
				labels[l] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(labels))
}

func (c *converter) open(path, format string, args ...any) {
	c.report.add(0, Open, path, "%s", fmt.Sprintf(format, args...))
}
