package ldap

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/internal/problem"
)

// good is a configuration to which tests do something.
func good() Config {
	return Config{Addr: "ldap.example.com:636", BindDN: "cn=gate,dc=x", BindPasswordFile: "f", Base: "dc=x", Filter: "(uid=${account})"}
}

var validateTests = []struct {
	name   string
	change func(*Config)
	want   []string // mistakes, and warnings with a "~" before
}{
	{"good", func(*Config) {}, nil},
	{"nothing", func(c *Config) { *c = Config{} }, []string{
		"addr: is missing; name the directory's server, such as ldap.example.com:636",
		"base: is missing; it is a DN, such as dc=example,dc=com",
		"filter: is missing, such as (uid=${account})",
	}},
	{"all there is", func(c *Config) {
		*c = Config{
			Addrs: []string{"a:389", "[::1]:389"}, TLS: tlsStart, CACertificate: "f", Base: "ou=p,dc=x",
			Filter: `(&(objectClass=person)(|(uid=${account})(mail=${account}))(!(loginDisabled=TRUE)))`,
			Labels: map[string]LabelConfig{"a": {Attribute: "memberOf;x-y"}, "b": {Attribute: "1.2.840"}}, LabelPatterns: []string{"a", "teams"},
			Groups:         &GroupsConfig{Base: "ou=g,dc=x", Filter: "(member=${dn})", Label: "teams", Attribute: "cn", Nested: NestedSearch, Depth: 3, Timeout: time.Second},
			ConnectTimeout: time.Second, Timeout: time.Second, PoolSize: 1,
		}
	}, nil},
	{"a part of a name", func(c *Config) { c.Filter = "(userPrincipalName=${account}@example.com)" }, []string{"~filter: compares no attribute with ${account} alone, so that ALICE and alice, whom the directory takes for one, are two accounts for rules: add one, as in (&(uid=${account})…)"}},
	{"two kinds of addresses", func(c *Config) { c.Addrs = []string{"b:389"}; c.TLS = tlsAlways }, []string{"addrs: is given beside addr; put all of them here"}},
	{"URL", func(c *Config) { c.Addr = "ldaps://dc1.example.com/" }, []string{"addr: is HOST:PORT, not a URL: write dc1.example.com, and tls: always for ldaps", "~tls: passwords can be read by everybody on the way to ldaps://dc1.example.com/: use starttls or always"}},
	{"no port", func(c *Config) { c.Addr, c.TLS = "dc1", tlsStart }, []string{`addr: "dc1" is not HOST:PORT, such as ldap.example.com:636`}},
	{"no port number", func(c *Config) {
		c.Addr, c.Addrs, c.TLS = "", []string{"a:1", "dc1:ldap", ":389", "b:0", "b:65536"}, tlsStart
	}, []string{
		`addrs[1]: "dc1:ldap" is not HOST:PORT, such as ldap.example.com:636`, `addrs[2]: ":389" is not HOST:PORT, such as ldap.example.com:636`,
		`addrs[3]: "b:0" is not HOST:PORT, such as ldap.example.com:636`, `addrs[4]: "b:65536" is not HOST:PORT, such as ldap.example.com:636`}},
	{"tls", func(c *Config) { c.TLS = "yes" }, []string{`tls: "yes" is none of none, starttls, always`}},
	{"clear text", func(c *Config) { c.Addr = "dc1:389" }, []string{"~tls: passwords can be read by everybody on the way to dc1:389: use starttls or always"}},
	{"clear text on purpose", func(c *Config) { c.TLS = tlsNone }, []string{"~tls: passwords can be read by everybody on the way to ldap.example.com:636: use starttls or always"}},
	{"clear text on this machine", func(c *Config) { c.Addr = "127.0.0.1:389" }, nil},
	{"a CA for nothing", func(c *Config) { c.Addr, c.CACertificate = "localhost:389", "f" }, []string{"~tls: is none, so ca_certificate and insecure_tls_skip_verify mean nothing: use starttls or always"}},
	{"any certificate", func(c *Config) { c.InsecureTLSSkipVerify = true }, []string{"~insecure_tls_skip_verify: anybody on the way can pretend to be the directory, and read all passwords: give its CA as ca_certificate"}},
	{"no password", func(c *Config) { c.BindPasswordFile = "" }, []string{"bind_password_file: is missing beside bind_dn: without a password a directory lets in whoever asks, as nobody"}},
	{"password of nobody", func(c *Config) { c.BindDN = "" }, []string{"bind_dn: is missing beside bind_password_file"}},
	{"nobody", func(c *Config) { c.BindDN, c.BindPasswordFile = "", "" }, nil},
	{"variable", func(c *Config) { c.BindDN = "uid=${account},dc=x" }, []string{"bind_dn: takes no variable without initial_bind_as_user"}},
	{"as the user", func(c *Config) { *c = asUser(*c) }, nil},
	{"as the user of AD", func(c *Config) { *c = asUser(*c); c.BindDN = `CORP\${account}` }, nil},
	{"as the user, with a password", func(c *Config) { *c = asUser(*c); c.BindPasswordFile = "f" }, []string{"~bind_password_file: means nothing with initial_bind_as_user: each user shows their own password"}},
	{"as one user", func(c *Config) { c.InitialBindAsUser, c.BindPasswordFile = true, "" }, []string{"bind_dn: needs ${account} with initial_bind_as_user, such as uid=${account},ou=people,dc=example,dc=com or ${account}@example.com"}},
	{"as another variable", func(c *Config) { *c = asUser(*c); c.BindDN = "uid=${account},${dn}" }, []string{"bind_dn: ${dn} is not known here; there is ${account}", `bind_dn: "uid=x,${dn}" is not a DN, such as ou=people,dc=example,dc=com`}},
	{"base", func(c *Config) { c.Base = "example.com" }, []string{`base: "example.com" is not a DN, such as ou=people,dc=example,dc=com`}},
	{"filter for everybody", func(c *Config) { c.Filter = "(uid=alice)" }, []string{"filter: finds the same entries for everybody: it needs ${account}"}},
	{"broken filter", func(c *Config) { c.Filter = "uid=${account}" }, []string{"filter: is not a filter (RFC 4515), such as (uid=${account})"}},
	{"half a filter", func(c *Config) { c.Filter = "(&(a=b)(uid=${account})" }, []string{"filter: is not a filter (RFC 4515), such as (uid=${account})"}},
	{"variable of the filter", func(c *Config) { c.Filter = "(uid=${user})" }, []string{"filter: ${user} is not known here; there is ${account}"}},
	{"labels", func(c *Config) {
		c.Labels = map[string]LabelConfig{"": {Attribute: "a"}, "b": {}, "c": {Attribute: "a b"}}
		c.LabelPatterns = []string{"b", "d"}
	}, []string{
		`labels[""]: a label needs a name`, "labels.b.attribute: is missing; it is an attribute of the entry, such as memberOf",
		`labels.c.attribute: "a b" is not the name of an attribute`, `label_patterns[1]: "d" is no label of this directory`}},
	{"times", func(c *Config) { c.Timeout, c.ConnectTimeout = -1, time.Hour }, []string{"connect_timeout: 1h0m0s is not between 0 and 1m0s", "timeout: -1ns is not between 0 and 1m0s"}},
	{"pool", func(c *Config) { c.PoolSize = 1000 }, []string{"pool_size: 1000 is not between 1 and 256"}},
	{"groups", func(c *Config) { c.Groups = &GroupsConfig{}; c.LabelPatterns = []string{"groups"} }, nil},
	{"mistakes in groups", func(c *Config) {
		c.Groups = &GroupsConfig{Base: "x", Filter: "(a=b)", Attribute: "*", Depth: 100, Timeout: -1}
	}, []string{
		`groups.base: "x" is not a DN, such as ou=people,dc=example,dc=com`, "groups.filter: finds the same entries for everybody: it needs ${dn}",
		`groups.attribute: "*" is not the name of an attribute`, "groups.depth: 100 is not between 1 and 64", "groups.depth: is for nested: true", "groups.timeout: -1ns is not between 0 and 1m0s"}},
	{"groups of accounts", func(c *Config) { c.Groups = &GroupsConfig{Filter: "(memberUid=${account})"} }, nil},
	{"nested groups of accounts", func(c *Config) { c.Groups = &GroupsConfig{Filter: "(memberUid=${account})", Nested: NestedSearch} },
		[]string{"groups.filter: with nested: true members are known by ${dn} alone, as a group has no account"}},
	{"chains without the rule", func(c *Config) { c.Groups = &GroupsConfig{Filter: "(member=${dn})", Nested: NestedDirectory} },
		[]string{"groups.filter: with nested: ad it needs Active Directory's rule for chains, such as (member:1.2.840.113556.1.4.1941:=${dn})"}},
}

func TestValidate(t *testing.T) {
	for _, tt := range validateTests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := good()
			tt.change(&cfg)
			if got := said(Configs{cfg}.Validate()); strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("Validate() =\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

func TestValidateList(t *testing.T) {
	wrong, last := good(), asUser(good())
	wrong.Base = ""
	want := "[1].base: is missing; it is a DN, such as dc=example,dc=com"
	if got := said(Configs{good(), wrong, last}.Validate()); strings.Join(got, "\n") != want {
		t.Errorf("Validate() = %q", got)
	}
	want = "~[0].initial_bind_as_user: whoever is not in this directory has a wrong password there, and is not looked for in those after it: put it last"
	if got := said(Configs{last, good()}.Validate()); strings.Join(got, "\n") != want {
		t.Errorf("Validate() = %q", got)
	}
}

func said(err error) (lines []string) {
	var all problem.List
	if err != nil && !errors.As(err, &all) {
		return []string{err.Error()}
	}
	for _, p := range all {
		line := p.Error()
		if p.Warning {
			line = "~" + line
		}
		lines = append(lines, line)
	}
	return lines
}

func TestNested(t *testing.T) {
	for text, want := range map[string]Nested{"true": NestedSearch, "false": NestedNot, "ad": NestedDirectory} {
		var n Nested
		if err := n.UnmarshalText([]byte(text)); n != want || err != nil {
			t.Errorf("%s is %q, %v", text, n, err)
		}
	}
	var n Nested
	if err := n.UnmarshalText([]byte("yes")); err == nil || err.Error() != `"yes" is none of false, true, ad` {
		t.Errorf("yes is %q, %v", n, err)
	}
}

func TestFilesOfNew(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none")
	for name, tt := range map[string]struct{ password, ca, want string }{
		"missing":  {missing, missing, "bind_password_file: open " + missing + ": no such file or directory\nca_certificate: open " + missing + ": no such file or directory"},
		"empty":    {file(t, "\n"), "", "is empty"},
		"no PEM":   {file(t, "x"), file(t, "hello"), "holds no PEM certificate"},
		"trimmed":  {file(t, " x y \r\n"), "", ""},
		"no files": {"", "", ""},
	} {
		cfg := good()
		cfg.BindPasswordFile, cfg.CACertificate = tt.password, tt.ca
		d, err := New(cfg, nil)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
		if name == "trimmed" && d.password.Reveal() != "x y" {
			t.Errorf("the password is read as %q", d.password.Reveal())
		}
	}
}
