package configs

import (
	"net/netip"
	"reflect"
	"testing"
	"time"
)

var listenTests = []struct {
	name string
	file string
	want string // mistakes and warnings
}{
	{"defaults", "", ""},
	{"all set", "{https: \"[::1]:8443\", http: \"\", admin: \"\", control: /run/r.sock, public_url: \"https://r.example.com:444\", trusted_proxies: [10.0.0.0/8, \"::1\"], grace: 0s, drain: 1h}", ""},
	{"the system's ports", "{https: \"127.0.0.1:0\", http: \"127.0.0.1:0\", admin: \"127.0.0.1:0\"}", ""},
	{"no https", "https: ''", "1: https: is empty, and the gate has to listen somewhere"},
	{"no port", "https: localhost", `1: https: "localhost" is no address such as ":443" or "127.0.0.1:8443"`},
	{"port by name", "http: ':http'", `1: http: ":http" is no address such as ":443" or "127.0.0.1:8443"`},
	{"port too high", "admin: ':65536'", `1: admin: ":65536" is no address such as ":443" or "127.0.0.1:8443"`},
	{"one port for two", "https: ':8443'\nhttp: ':8443'", "2: http: :8443 is the address of https already"},
	{"public url of http", "public_url: 'http://a'", `1: public_url: does not begin with https://; clients speak TLS to the gate or to what stands before it`},
	{"public url with a path", "public_url: 'https://a/registry'", `1: public_url: has more than https://HOST[:PORT]; registries have no path before /v2/`},
	{"public url with a slash", "public_url: 'https://a/'", `1: public_url: has more than https://HOST[:PORT]; registries have no path before /v2/`},
	{"public url with a question", "public_url: 'https://a?'", `1: public_url: has more than https://HOST[:PORT]; registries have no path before /v2/`},
	{"public url with a user", "public_url: 'https://u:p@a'", `1: public_url: has more than https://HOST[:PORT]; registries have no path before /v2/`},
	{"public url without a host", "public_url: 'https://:443'", `1: public_url: names no host`},
	{"public url with a star", "public_url: 'https://*.a'", `1: public_url: names no host`},
	{"public url without a port", "public_url: 'https://a:'", `1: public_url: has a colon without a port`},
	{"public url with a high port", "public_url: 'https://a:70000'", `1: public_url: has a port that is none`},
	{"host alone", "public_url: a.example.com", `1: public_url: does not begin with https://; clients speak TLS to the gate or to what stands before it`},
	{"host and port alone", "public_url: 'a.example.com:443'", `1: public_url: is no URL such as https://registry.example.com`},
	{"no network", "trusted_proxies: [lb.example.com]", `1: trusted_proxies[0]: "lb.example.com" is no address or network such as 10.0.0.0/8`},
	{"address within a network", "trusted_proxies: [10.0.0.1/8]", "1: trusted_proxies[0]: 10.0.0.1/8 has bits outside of its mask; the network is 10.0.0.0/8"},
	{"everybody", "trusted_proxies: ['::/0']", "1: trusted_proxies[0]: ::/0 is everybody: each client can say which address it has"},
	{"negative", "grace: -1s\ndrain: -1m", "1: grace: -1s is negative\n2: drain: -1m0s is negative"},
	{"limits", "limits: {connections: 100, per_network: 10, handshakes: 2, streams: 1, header_bytes: 4096, header_time: 1s}", ""},
	{"limits that would refuse everybody", "limits:\n  connections: 0\n  per_network: 0\n  handshakes: 1\n  streams: 0\n  header_bytes: 100\n  header_time: 0s",
		"2: limits.connections: 0 is not between 16 and 1048576\n3: limits.per_network: 0 is not between 1 and 1048576\n" +
			"4: limits.handshakes: 1 is not between 2 and 1048576\n5: limits.streams: 0 is not between 1 and 1000\n" +
			"6: limits.header_bytes: 100 is not between 4096 and 1048576\n7: limits.header_time: 0s is not between 1s and 1m"},
	{"a network for all", "limits: {connections: 100}", "1: limits.per_network: 2048 is more than connections: one network can take them all"},
	{"no header of the PROXY protocol", "proxy_protocol: false", ""},
	{"such headers of a balancer", "{proxy_protocol: true, trusted_proxies: [10.0.0.1]}", ""},
	{"such headers of nobody", "proxy_protocol: true", "1: proxy_protocol: needs trusted_proxies, the addresses of the balancer: whoever may send its header says who he is"},
	{"pages of nobody", "cors: {origins: []}", ""},
	{"pages of a site", "cors: {origins: [\"https://ui.test\"]}", ""},
	{"pages of everybody", "cors:\n  origins:\n    - https://ui.test\n    - '*'", "4: cors.origins[1]: \"*\" would let the pages of everybody in; name the sites"},
}

func TestListen(t *testing.T) {
	for _, tt := range listenTests {
		t.Run(tt.name, func(t *testing.T) {
			l := defaultListen()
			wrong, warnings := read([]byte(tt.file), &l, noEnv)
			if got := said(append(wrong, warnings...)); got != tt.want {
				t.Errorf("read(%q) =\n%s\nwant\n%s", tt.file, got, tt.want)
			}
		})
	}
}

func TestListenDefaults(t *testing.T) {
	l := defaultListen()
	if wrong, _ := read([]byte("http: ''\ntrusted_proxies: [192.0.2.1, '::ffff:192.0.2.2', 2001:db8::/32]"), &l, noEnv); len(wrong) > 0 {
		t.Fatal(wrong)
	}
	nets := []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32"), netip.MustParsePrefix("2001:db8::/32")}
	if got := l.Proxies(); !reflect.DeepEqual(got, nets) {
		t.Errorf("Proxies() = %v, want %v", got, nets)
	}
	l.TrustedProxies = nil
	want := Listen{HTTPS: ":443", Admin: "127.0.0.1:9180", Grace: 10 * time.Second, Drain: 15 * time.Minute, Limits: defaultLimits()}
	if !reflect.DeepEqual(l, want) {
		t.Errorf("read gave %+v, want %+v", l, want)
	}
}

func TestLog(t *testing.T) {
	l := defaultLog()
	wrong, _ := read([]byte("level: warning\nformat: logfmt"), &l, noEnv)
	want := "1: level: \"warning\" is none of debug, info, warn, error\n2: format: \"logfmt\" is none of auto, json, console"
	if got := said(wrong); got != want {
		t.Errorf("mistakes are\n%s\nwant\n%s", got, want)
	}
	for _, file := range []string{"", "level: debug", "format: console"} {
		l := defaultLog()
		if wrong, _ := read([]byte(file), &l, noEnv); len(wrong) > 0 {
			t.Errorf("read(%q): %v", file, wrong)
		}
	}
}
