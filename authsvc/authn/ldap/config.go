package ldap

import (
	"io"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/problem"
)

// Configs is ldap_auth: directories, in the order in which they are asked. In
// a file, one mapping may stand for a list of one, as in docker_auth's.
type Configs []Config

// SingleOrList lets one mapping stand for a list of one.
func (Configs) SingleOrList() {}

// path is that of one of them, as it is written.
func (c Configs) path(i int) string {
	if len(c) == 1 {
		return ""
	}
	return "[" + strconv.Itoa(i) + "]"
}

// An Authenticator is one of the directories: a *Directory or, where accounts
// cannot be found without their passwords, a Blind.
type Authenticator interface {
	authn.Authenticator
	io.Closer
}

// Open makes all of them, which are valid. Its error is a problem.List.
func (c Configs) Open(log *zap.Logger) (all []Authenticator, err error) {
	var wrong problem.List
	for i, cfg := range c {
		d, err := New(cfg, log)
		wrong.Under(c.path(i), err)
		if cfg.InitialBindAsUser {
			all = append(all, Blind{d})
		} else {
			all = append(all, d)
		}
	}
	return all, wrong.Err()
}

// Config is one directory. Its keys are docker_auth's, with the same meaning,
// and more.
type Config struct {
	// Addr is HOST:PORT of the directory's server, or Addrs those of several
	// that have the same entries. The first that answers is asked.
	Addr  string   `yaml:"addr"`
	Addrs []string `yaml:"addrs"`
	// TLS is none, starttls or always (ldaps). Default: always for port 636,
	// none for others, where everybody on the way can read the passwords.
	TLS string `yaml:"tls"`
	// InsecureTLSSkipVerify takes any certificate. Default false.
	InsecureTLSSkipVerify bool `yaml:"insecure_tls_skip_verify"`
	// CACertificate is a PEM file with those who may sign the servers'
	// certificates. Default: those that the system trusts.
	CACertificate string `yaml:"ca_certificate"`

	// BindDN is as whom accounts are looked for, and BindPasswordFile a file
	// that holds the password alone. Without it everybody may look.
	BindDN           string `yaml:"bind_dn"`
	BindPasswordFile string `yaml:"bind_password_file"`
	// InitialBindAsUser looks for accounts as the user itself. In BindDN then
	// stands ${account}, and there is no BindPasswordFile. Whoever shows a
	// wrong password is not looked for in the directories after this one.
	InitialBindAsUser bool `yaml:"initial_bind_as_user"`

	// Base is the DN below which accounts are. Required.
	Base string `yaml:"base"`
	// Filter finds the one entry of ${account} below Base. Required.
	Filter string `yaml:"filter"`

	// Labels are those that rules may ask about, by name, and what their
	// values are.
	Labels map[string]LabelConfig `yaml:"labels"`
	// Groups finds the groups of an account by a search. Without it there are
	// those that an attribute of the account lists, such as memberOf.
	Groups *GroupsConfig `yaml:"groups"`
	// LabelPatterns are the labels whose values may hold wildcards, where a
	// rule's glob mentions the label. Others are taken literally, so that
	// nobody who can write to the directory writes rules.
	LabelPatterns []string `yaml:"label_patterns"`

	// ConnectTimeout bounds the way to a connection, TLS and BindDN's bind
	// included. Default 5s.
	ConnectTimeout time.Duration `yaml:"connect_timeout"`
	// Timeout bounds each answer. Default 5s.
	Timeout time.Duration `yaml:"timeout"`
	// PoolSize is how many connections look for accounts at most, and how many
	// others compare passwords. Default 8.
	PoolSize int `yaml:"pool_size"`
}

// LabelConfig says what the values of a label are.
type LabelConfig struct {
	// Attribute of the account; each of its values is one. Required.
	Attribute string `yaml:"attribute"`
	// ParseCN takes the first CN of values that are DNs. Default false.
	ParseCN bool `yaml:"parse_cn"`
	// LowerCase makes values lower case. Default false.
	LowerCase bool `yaml:"lower_case"`
}

const (
	defaultTimeout  = 5 * time.Second
	defaultPoolSize = 8
)

func (c Config) withDefaults() Config {
	if c.Addr != "" {
		c.Addrs = []string{c.Addr}
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = defaultTimeout
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.PoolSize == 0 {
		c.PoolSize = defaultPoolSize
	}
	if c.Groups != nil {
		groups := c.Groups.withDefaults(c.Base)
		c.Groups = &groups
	}
	return c
}

// tlsOf is the way in which a server is spoken to.
func (c Config) tlsOf(addr string) string {
	switch {
	case c.TLS != "":
		return c.TLS
	case portOf(addr) == "636":
		return tlsAlways
	}
	return tlsNone
}
