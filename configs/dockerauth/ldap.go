package dockerauth

import (
	"slices"
	"strings"

	"github.com/regate/regate/authsvc/authn/ldap"
	"github.com/regate/regate/internal/problem"
)

// A directory is ldap_auth, for the gate.
type directory struct {
	ldap.Config
	line   int
	labels []string // in the order of the source
}

// writeLDAP reports whether a directory knows accounts.
func (c *converter) writeLDAP(p *page) bool {
	s, ok := c.root.child("ldap_auth")
	if !ok {
		return false
	}
	d := readDirectory(s)
	d.patterns(&c.report, s, c.mentioned())
	off := c.judge(d)
	p.line("")
	if off {
		p.note("The report says what is missing. Take the # away when it is there.")
		p.off("ldap_auth", func() { d.write(p) })
	} else {
		p.under("ldap_auth", func() { d.write(p) })
	}
	return !off
}

// A textKey and a flagKey are keys that mean here what they mean there.
type (
	textKey struct {
		key  string
		text *string
	}
	flagKey struct {
		key string
		yes *bool
	}
)

func (d *directory) texts() []textKey {
	return []textKey{
		{"addr", &d.Addr}, {"tls", &d.TLS}, {"ca_certificate", &d.CACertificate}, {"bind_dn", &d.BindDN},
		{"bind_password_file", &d.BindPasswordFile}, {"base", &d.Base}, {"filter", &d.Filter},
	}
}

func (d *directory) flags() []flagKey {
	return []flagKey{{"insecure_tls_skip_verify", &d.InsecureTLSSkipVerify}, {"initial_bind_as_user", &d.InitialBindAsUser}}
}

func readDirectory(s *section) *directory {
	d := &directory{line: s.line}
	for _, k := range d.texts() {
		text, line, ok := s.text(k.key)
		if *k.text = text; ok {
			s.report.kept(line, line, s.key(k.key))
		}
	}
	for _, k := range d.flags() {
		yes, line, ok := s.flag(k.key)
		if *k.yes = yes; ok {
			s.report.kept(line, line, s.key(k.key))
		}
	}
	d.readLabels(s)
	s.rest()
	return d
}

func (d *directory) readLabels(s *section) {
	labels, ok := s.child("labels")
	if !ok {
		return
	}
	d.Labels = make(map[string]ldap.LabelConfig)
	for _, e := range labels.each() {
		l := newSection(s.report, labels.key(e.key), e.val)
		var cfg ldap.LabelConfig
		cfg.Attribute, _, _ = l.text("attribute")
		cfg.ParseCN, _, _ = l.flag("parse_cn")
		cfg.LowerCase, _, _ = l.flag("lower_case")
		l.rest()
		d.Labels[e.key], d.labels = cfg, append(d.labels, e.key)
		s.report.kept(e.line, e.val.last, l.path)
	}
}

// patterns has the values of labels that rules mention stand for patterns, as
// they do in docker_auth.
func (d *directory) patterns(report *Report, s *section, mentioned []string) {
	for _, label := range d.labels {
		if slices.Contains(mentioned, label) {
			d.LabelPatterns = append(d.LabelPatterns, label)
		}
	}
	if len(d.LabelPatterns) > 0 {
		report.add(d.line, Dangerous, s.key("labels"), "a * in the directory is a wildcard in the globs of rules that mention %s, here as there: whoever can write such a value writes rules; delete label_patterns if there is none", strings.Join(d.LabelPatterns, ", "))
	}
}

// judge reports what the gate thinks of a directory, and whether it would not
// take it.
func (c *converter) judge(d *directory) (off bool) {
	var found problem.List
	found.Under("ldap_auth", ldap.Configs{d.Config}.Validate())
	for _, f := range found {
		if f.Warning {
			c.report.add(d.line, Dangerous, f.Path, "%s", f.Msg)
		} else {
			c.report.add(d.line, Open, f.Path, "is a comment until this is right: %s", f.Msg)
		}
	}
	if found.Fatal() {
		return true
	}
	if err := c.on.Directory(d.Config); err != nil {
		c.report.add(d.line, Open, "ldap_auth", "is a comment until its files are here: %v", err)
		return true
	}
	if !sayable(d.text()) {
		c.report.add(d.line, Changed, "ldap_auth", "is a comment: ${env:…} can stand in secrets only")
		return true
	}
	return false
}

func (d *directory) text() string {
	p := &page{}
	d.write(p)
	return p.b.String()
}

func (d *directory) write(p *page) {
	for _, k := range d.texts() {
		if *k.text != "" {
			p.line("%s: %s", k.key, quoted(*k.text))
		}
	}
	for _, k := range d.flags() {
		if *k.yes {
			p.line("%s: true", k.key)
		}
	}
	d.writeLabels(p)
}

func (d *directory) writeLabels(p *page) {
	if len(d.labels) == 0 {
		return
	}
	p.line("labels:")
	for _, name := range d.labels {
		l, more := d.Labels[name], ""
		if l.ParseCN {
			more += ", parse_cn: true"
		}
		if l.LowerCase {
			more += ", lower_case: true"
		}
		p.line("  %s: {attribute: %s%s}", quoted(name), quoted(l.Attribute), more)
	}
	if len(d.LabelPatterns) > 0 {
		p.line("label_patterns: %s", quotedAll(d.LabelPatterns))
	}
}
