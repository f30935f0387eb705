package dns

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/regate/regate/internal/problem"
)

// Config is the section tls.acme.dns: who changes the DNS for the gate. With
// it certificates are had by DNS-01 alone, so the gate need not be reachable
// from the CA, and wildcards are possible. One of rfc2136, exec, cloudflare and
// route53 must be there.
type Config struct {
	RFC2136    *RFC2136    `yaml:"rfc2136"`
	Exec       *Exec       `yaml:"exec"`
	Cloudflare *Cloudflare `yaml:"cloudflare"`
	Route53    *Route53    `yaml:"route53"`

	// PropagationTimeout is how long the gate looks for a record that it has
	// written before it gives up; the CA is asked once the zone's servers have
	// it. Default 2m; 0s is not to look, where they cannot be asked from here.
	PropagationTimeout *time.Duration `yaml:"propagation_timeout"`

	// PropagationDelay is waited before the first look, or, without looks,
	// before the CA is asked. Default 0s.
	PropagationDelay time.Duration `yaml:"propagation_delay"`

	// Resolvers are asked, as host:port, which zone a name is in and whether a
	// record is there. Default: the system's for the first, and the zone's own
	// servers for the second.
	Resolvers []string `yaml:"resolvers"`

	// Delegate is the name under which all records are written instead of
	// _acme-challenge.HOST, which must be a CNAME to it. So only a zone that
	// has nothing else in it needs to be open to the gate.
	Delegate string `yaml:"delegate"`

	// TTL of the records. Default: the provider's choice.
	TTL time.Duration `yaml:"ttl"`
}

const (
	defaultPropagation = 2 * time.Minute
	maxWait            = time.Hour
)

func (c Config) withDefaults() Config {
	if c.PropagationTimeout == nil {
		wait := defaultPropagation
		c.PropagationTimeout = &wait
	}
	return c
}

// Wait is how long a record may take, at most, until the CA is asked.
func (c Config) Wait() time.Duration {
	return *c.withDefaults().PropagationTimeout + c.PropagationDelay
}

// Validate says what is wrong with c. It opens no file.
func (c Config) Validate() error {
	var l problem.List
	c.validateProvider(&l)
	c.validateTimes(&l)
	for i, r := range c.Resolvers {
		if err := checkHostPort(r); err != nil {
			l.Addf(fmt.Sprintf("resolvers[%d]", i), "%v", err)
		}
	}
	if c.Delegate != "" && !isName(c.Delegate) {
		l.Addf("delegate", "%q is no name of a record, such as gate.acme.example.com", c.Delegate)
	}
	return l.Err()
}

func (c Config) validateProvider(l *problem.List) {
	var named []string
	for _, p := range []struct {
		key      string
		there    bool
		validate func() error
	}{
		{"rfc2136", c.RFC2136 != nil, func() error { return c.RFC2136.validate() }},
		{"exec", c.Exec != nil, func() error { return c.Exec.validate() }},
		{"cloudflare", c.Cloudflare != nil, func() error { return c.Cloudflare.validate() }},
		{"route53", c.Route53 != nil, func() error { return nil }},
	} {
		if p.there {
			named = append(named, p.key)
			l.Under(p.key, p.validate())
		}
	}
	switch {
	case len(named) == 0:
		l.Addf("", "says not who changes the DNS: write one of rfc2136, exec, cloudflare and route53")
	case len(named) > 1:
		l.Addf("", "has %s, and one of them is enough", strings.Join(named, " and "))
	}
}

func (c Config) validateTimes(l *problem.List) {
	for _, d := range []struct {
		key   string
		value time.Duration
		max   time.Duration
	}{
		{"propagation_timeout", *c.withDefaults().PropagationTimeout, maxWait},
		{"propagation_delay", c.PropagationDelay, maxWait},
		{"ttl", c.TTL, 24 * time.Hour},
	} {
		if d.value < 0 || d.value > d.max {
			l.Addf(d.key, "%s is not between 0s and %s", d.value, d.max)
		}
	}
	if c.TTL%time.Second != 0 {
		l.Addf("ttl", "%s is no whole number of seconds", c.TTL)
	}
}

func checkHostPort(text string) error {
	host, port, err := net.SplitHostPort(text)
	if n, convErr := strconv.ParseUint(port, 10, 16); err != nil || host == "" || convErr != nil || n == 0 {
		return fmt.Errorf("%q is not HOST:PORT, such as 10.0.0.53:53", text)
	}
	return nil
}

// isName takes what a DNS server takes for the name of a record or a key, but
// for the odd characters.
func isName(text string) bool {
	text = strings.TrimSuffix(text, ".")
	if len(text) > 253 {
		return false
	}
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || len(label) > 63 || strings.IndexFunc(label, odd) >= 0 {
			return false
		}
	}
	return true
}

func odd(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_')
}
