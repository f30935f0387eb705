package configs

import (
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/problem"
)

// Listen is the section listen: where the gate is reached, and by whom. A
// change of it needs a restart.
type Listen struct {
	// HTTPS is the address of the gate itself, as host:port, [v6]:port, or
	// :port for all addresses. Default ":443".
	HTTPS string `yaml:"https"`

	// HTTP is the address that answers the CAs of tls.mode acme, redirects
	// browsers to https or tells them why a host has no certificate yet, and,
	// in tls.mode internal, gives out the CA's certificate. Default ":80"; ""
	// turns it off.
	HTTP string `yaml:"http"`

	// Admin is the address of /healthz, /readyz, which tells of certificates and
	// of a state that is away with ?verbose, and /metrics. It changes nothing and
	// asks nobody who they are. Default "127.0.0.1:9180"; "" turns it off.
	Admin string `yaml:"admin"`

	// Control is the path of the Unix socket through which commands reach the
	// running gate. Default control.sock in the directory state.path.
	Control string `yaml:"control"`

	// PublicURL is https://HOST[:PORT] as clients see it, if that is none of
	// tls.hosts with the port of HTTPS: behind a balancer, or a port that is
	// mapped. Default: none.
	PublicURL string `yaml:"public_url"`

	// TrustedProxies are the addresses and networks whose X-Forwarded-For is
	// believed; where one of them says what is no address, the client is in no
	// network of any rule. In tls.mode proxied nobody else may connect.
	// Default: none.
	TrustedProxies []Network `yaml:"trusted_proxies"`

	// ProxyProtocol has every connection to HTTPS and HTTP begin with a header
	// of the PROXY protocol, version 1 or 2, in which a balancer that passes TCP
	// through says who its client is. It needs TrustedProxies, and nobody else
	// may connect. X-Forwarded-For is then believed if the client is one of them,
	// too. Default false.
	ProxyProtocol bool `yaml:"proxy_protocol"`

	// CORS is for the pages of other sites, such as a browser for registries.
	CORS CORS `yaml:"cors"`

	// Grace is how long the gate, told to end, says so at /readyz and still
	// takes requests, so that balancers can turn away. Default 10s.
	Grace time.Duration `yaml:"grace"`

	// Drain is how long after Grace transfers may go on before they are cut.
	// Default 15m.
	Drain time.Duration `yaml:"drain"`

	// Limits are how much clients can take.
	Limits Limits `yaml:"limits"`
}

// CORS says which pages may read what the gate answers to their users.
type CORS struct {
	// Origins are sites, as scheme://host[:port], whose pages may use /v2 and
	// /auth with what their users type in. Default: none.
	Origins []string `yaml:"origins"`
}

func (c CORS) validate() error {
	var bad problem.List
	for i, o := range c.Origins {
		if err := edge.CheckOrigin(o); err != nil {
			bad.Addf(indexPath("origins", i), "%q %v", o, err)
		}
	}
	return bad.Err()
}

func defaultListen() Listen {
	return Listen{
		HTTPS:  ":443",
		HTTP:   ":80",
		Admin:  "127.0.0.1:9180",
		Grace:  10 * time.Second,
		Drain:  15 * time.Minute,
		Limits: defaultLimits(),
	}
}

// Proxies returns TrustedProxies.
func (l Listen) Proxies() []netip.Prefix {
	all := make([]netip.Prefix, len(l.TrustedProxies))
	for i, n := range l.TrustedProxies {
		all[i] = n.Prefix
	}
	return all
}

// Validate says what is wrong with l. It opens nothing.
func (l Listen) Validate() error {
	var bad problem.List
	if l.HTTPS == "" {
		bad.Addf("https", "is empty, and the gate has to listen somewhere")
	}
	l.validateAddresses(&bad)
	if l.PublicURL != "" {
		if _, err := edge.PublicName(l.PublicURL); err != nil {
			bad.Addf("public_url", "%v", err)
		}
	}
	for i, n := range l.TrustedProxies {
		if n.Bits() == 0 {
			bad.Warnf(indexPath("trusted_proxies", i), "%s is everybody: each client can say which address it has", n)
		}
	}
	if l.ProxyProtocol && len(l.TrustedProxies) == 0 {
		bad.Addf("proxy_protocol", "needs trusted_proxies, the addresses of the balancer: whoever may send its header says who he is")
	}
	if l.Grace < 0 {
		bad.Addf("grace", "%s is negative", l.Grace)
	}
	if l.Drain < 0 {
		bad.Addf("drain", "%s is negative", l.Drain)
	}
	bad.Under("cors", l.CORS.validate())
	bad.Under("limits", l.Limits.validate())
	return bad.Err()
}

// validateAddresses also finds a port that is asked for twice: the second
// listener would fail, and the message of the system would not say why.
func (l Listen) validateAddresses(bad *problem.List) {
	used := make(map[string]string)
	for _, a := range []struct{ key, addr string }{{"https", l.HTTPS}, {"http", l.HTTP}, {"admin", l.Admin}} {
		if a.addr == "" {
			continue
		}
		if _, port, ok := splitAddress(a.addr); !ok {
			bad.Addf(a.key, "%q is no address such as \":443\" or \"127.0.0.1:8443\"", a.addr)
		} else if first, twice := used[a.addr]; twice && port != 0 {
			bad.Addf(a.key, "%s is the address of %s already", a.addr, first)
		} else {
			used[a.addr] = a.key
		}
	}
}

// splitAddress takes an address apart; port 0 lets the system choose.
func splitAddress(addr string) (host string, port int, ok bool) {
	host, digits, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, false
	}
	number, err := strconv.ParseUint(digits, 10, 16)
	return host, int(number), err == nil
}
