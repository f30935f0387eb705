package configs

import (
	"time"

	"github.com/regate/regate/internal/problem"
)

// Limits is the section listen.limits: how much clients whom nobody knows yet
// can take. Connections beyond are closed at once, counted in
// regate_connections_refused_total and told in the log; requests are answered
// 429 and counted in regate_requests_refused_total.
type Limits struct {
	// Connections is how many the https listener has at once. An idle one takes
	// about 45 KiB (70 with HTTP/2) and a file descriptor. Where the system has
	// too few for these and requests, there are fewer of both, and a warning at
	// start. The http listener has an eighth of them more. Default 8192.
	Connections int `yaml:"connections"`

	// PerNetwork is how many of them one network has: a /24 of IPv4, a /64 of
	// IPv6 (a /48 has twice as many, but leaves a quarter to others). All clients behind a NAT are one network,
	// trusted_proxies are none. Default 2048.
	PerNetwork int `yaml:"per_network"`

	// Requests is how many are forwarded to registries at once; each takes a
	// file descriptor more. One network has half of them, and half of what each
	// registry has (max_requests there), unless per_network is no less than
	// connections. Clients of trusted_proxies are told apart. Default 4096.
	Requests int `yaml:"requests"`

	// Handshakes is how many TLS handshakes wait for a processor at once; half
	// of the processors work on them, some thousands a second each. One network
	// has half of them. A handshake that waits for its client is none. Higher
	// lets larger bursts of clients in, which wait longer. Default 1024.
	Handshakes int `yaml:"handshakes"`

	// Streams is how many requests an HTTP/2 connection has at once, 1 to 1000.
	// Default 100.
	Streams int `yaml:"streams"`

	// HeaderBytes is how large the header of a request is, 4096 to 1048576;
	// above, the answer is 431. Default 65536, which tokens with many scopes
	// need.
	HeaderBytes int `yaml:"header_bytes"`

	// HeaderTime is how long a handshake, and then the header of a request, may
	// take, 1s to 1m. Default 10s.
	HeaderTime time.Duration `yaml:"header_time"`
}

func defaultLimits() Limits {
	return Limits{
		Connections: 8192,
		PerNetwork:  2048,
		Requests:    4096,
		Handshakes:  1024,
		Streams:     100,
		HeaderBytes: 64 << 10,
		HeaderTime:  10 * time.Second,
	}
}

func (l Limits) validate() error {
	var bad problem.List
	for _, n := range []struct {
		key       string
		value     int
		low, high int
	}{
		{"connections", l.Connections, 16, 1 << 20},
		{"per_network", l.PerNetwork, 1, 1 << 20},
		{"requests", l.Requests, 1, 1 << 20},
		{"handshakes", l.Handshakes, 2, 1 << 20},
		{"streams", l.Streams, 1, 1000},
		{"header_bytes", l.HeaderBytes, 4 << 10, 1 << 20},
	} {
		if n.value < n.low || n.value > n.high {
			bad.Addf(n.key, "%d is not between %d and %d", n.value, n.low, n.high)
		}
	}
	if l.PerNetwork > l.Connections {
		bad.Warnf("per_network", "%d is more than connections: one network can take them all", l.PerNetwork)
	}
	if l.HeaderTime < time.Second || l.HeaderTime > time.Minute {
		bad.Addf("header_time", "%s is not between 1s and 1m", l.HeaderTime)
	}
	return bad.Err()
}
