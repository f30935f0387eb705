package ext

import (
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/regate/regate/internal/problem"
)

// A Backend is who is asked: either a program, or a hook.
type Backend struct {
	// Command is the program: a path, or a name that is looked for in PATH when
	// the configuration is read. It is started for each question, in a process
	// group of its own, with PATH and HOME as its whole environment.
	Command string `yaml:"command"`
	// Args are its arguments. No shell reads them, and everybody on the machine
	// can, so there may be no secret in them. Default none.
	Args []string `yaml:"args"`

	// URL is the hook: each question is a POST of JSON to it.
	URL string `yaml:"url"`
	// TLS is the trust between the gate and a hook of https.
	TLS TLS `yaml:"tls"`
	// TokenFile holds what the gate shows to the hook as a Bearer token; without
	// it the hook cannot tell who asks. Default none.
	TokenFile string `yaml:"token_file"`

	// Timeout is how long an answer may take. A program that takes longer is
	// killed, with all that it has started. Whoever must wait for a turn waits
	// as long at most, and no longer than 5s. 100ms to 1m, default 5s.
	Timeout time.Duration `yaml:"timeout"`
	// Concurrency is how many questions are asked at once. Sixteen times as many
	// wait for their turn; what is beyond is refused as too many requests (429).
	// 1 to 1024, default 16.
	Concurrency int `yaml:"concurrency"`
}

// TLS is the trust between the gate and a hook.
type TLS struct {
	// CA is a file of PEM certificates that sign the hook's own. Default: those
	// of the system.
	CA string `yaml:"ca"`
	// Cert and Key are files with the certificate that the gate shows. Both or
	// neither; default none.
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
	// ServerName is the name in the hook's certificate. Default: the host of
	// the URL.
	ServerName string `yaml:"server_name"`
}

// UsersConfig is ext_auth: who is asked whether a password is right.
type UsersConfig struct {
	Backend `yaml:",inline"`
}

// RulesConfig is ext_authz: who is asked when no rule of acl has decided.
type RulesConfig struct {
	Backend `yaml:",inline"`
	// OnError says what becomes of a request when there is no answer: fail (503,
	// nobody gets a token until the trouble is over), or next, as if the answer
	// had been that it does not know; nothing is granted then. Default fail.
	OnError string `yaml:"on_error"`
}

// The values of OnError.
const (
	OnErrorFail = "fail"
	OnErrorNext = "next"
)

const (
	defaultTimeout     = 5 * time.Second
	defaultConcurrency = 16
	leastTimeout       = 100 * time.Millisecond
	mostTimeout        = time.Minute
	mostConcurrency    = 1024
)

func (b Backend) withDefaults() Backend {
	if b.Timeout == 0 {
		b.Timeout = defaultTimeout
	}
	if b.Concurrency == 0 {
		b.Concurrency = defaultConcurrency
	}
	return b
}

// Asked names who is asked, for people: the program, or the hook's URL.
func (b Backend) Asked() string {
	if b.Command != "" {
		return b.Command
	}
	return b.URL
}

// Validate reports all mistakes. It does not look for the program.
func (b Backend) Validate() error {
	var l problem.List
	full := b.withDefaults()
	switch {
	case b.Command != "" && b.URL != "":
		l.Addf("url", "stands beside command: ask a program or a hook, not both")
	case b.URL != "":
		b.checkHook(&l)
	case b.Command != "":
		b.checkProgram(&l)
	default:
		l.Addf("command", "is missing: write the path of a program, or the url of a hook")
	}
	if full.Timeout < leastTimeout || full.Timeout > mostTimeout {
		l.Addf("timeout", "%s is not between %s and %s", b.Timeout, leastTimeout, mostTimeout)
	}
	if full.Concurrency < 1 || full.Concurrency > mostConcurrency {
		l.Addf("concurrency", "%d is not between 1 and %d", b.Concurrency, mostConcurrency)
	}
	return l.Err()
}

func (b Backend) checkProgram(l *problem.List) {
	if strings.ContainsRune(b.Command, 0) {
		l.Addf("command", "has a zero byte")
	}
	if b.TokenFile != "" {
		l.Addf("token_file", "is for hooks, which have a url")
	}
	if b.TLS != (TLS{}) {
		l.Addf("tls", "is for hooks, which have a url")
	}
}

func (b Backend) checkHook(l *problem.List) {
	if len(b.Args) > 0 {
		l.Addf("args", "are for programs, which have a command")
	}
	if (b.TLS.Cert == "") != (b.TLS.Key == "") {
		l.Addf("tls.cert", "and key go together: give both or neither")
	}
	u, err := url.Parse(b.URL)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		l.Addf("url", "is no https://HOST[:PORT]/PATH") // not shown: there may be a password in it
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		l.Addf("url", "must end with its path, and have no user: put what the hook knows the gate by into token_file")
	case u.Scheme == "http" && b.TLS != (TLS{}):
		l.Addf("tls", "has no meaning for a url of http")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		l.Warnf("url", "http sends what is asked, passwords too, as it is over the network: use https")
	}
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// Validate reports all mistakes.
func (c RulesConfig) Validate() error {
	var l problem.List
	l.Under("", c.Backend.Validate())
	if c.OnError != "" && c.OnError != OnErrorFail && c.OnError != OnErrorNext {
		l.Addf("on_error", "%q is neither fail nor next", c.OnError)
	}
	return l.Err()
}
