package guard

import (
	"strconv"
	"time"

	"github.com/regate/regate/internal/network"
	"github.com/regate/regate/internal/problem"
	"github.com/regate/regate/internal/state"
)

// Config is the section login_limits: how many wrong passwords there may be.
// The same one again within ten seconds is no other: clients repeat what fails.
type Config struct {
	// Account is for one account from one network: a /24 of IPv4, a /64 of IPv6.
	// Default: 10, and one more every 30s.
	Account Rate `yaml:"account"`
	// Network is for all accounts from one network: a /24 of IPv4, a /48 of IPv6.
	// Default: 100, and one more every 3s.
	Network Rate `yaml:"network"`
	// Exempt are networks that may try as much as they like, such as one where
	// everybody comes through the same address. Default: none.
	Exempt []string `yaml:"exempt"`
}

// A Rate is how often something may happen.
type Rate struct {
	// Burst is how many there may be at once, 1 to 1000000.
	Burst int `yaml:"burst"`
	// Every is the time after which there may be one more, 1ms to 24h.
	Every time.Duration `yaml:"every"`
}

const (
	mostBurst  = 1_000_000
	leastEvery = time.Millisecond
	mostEvery  = 24 * time.Hour
)

func (c Config) withDefaults() Config {
	c.Account = c.Account.or(Rate{10, 30 * time.Second})
	c.Network = c.Network.or(Rate{100, 3 * time.Second})
	return c
}

func (r Rate) or(other Rate) Rate {
	if r.Burst == 0 {
		r.Burst = other.Burst
	}
	if r.Every == 0 {
		r.Every = other.Every
	}
	return r
}

func (r Rate) limit() state.Limit { return state.Limit{Every: r.Every, Burst: r.Burst} }

// Validate returns all mistakes as a problem.List.
func (c Config) Validate() error {
	var l problem.List
	c = c.withDefaults()
	l.Under("account", c.Account.validate())
	l.Under("network", c.Network.validate())
	for i, text := range c.Exempt {
		if _, err := network.Parse(text); err != nil {
			l.Addf("exempt["+strconv.Itoa(i)+"]", "%q is no address, and no network such as 10.0.0.0/8", text)
		}
	}
	return l.Err()
}

func (r Rate) validate() error {
	var l problem.List
	if r.Burst < 1 || r.Burst > mostBurst {
		l.Addf("burst", "%d is not between 1 and %d", r.Burst, mostBurst)
	}
	if r.Every < leastEvery || r.Every > mostEvery {
		l.Addf("every", "%v is not between %v and %v", r.Every, leastEvery, mostEvery)
	}
	return l.Err()
}
