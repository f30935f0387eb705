package network

import (
	"net/netip"
	"testing"
)

func TestOf(t *testing.T) {
	for _, tt := range []struct{ addr, small, large string }{
		{"192.0.2.77", "192.0.2.0/24", "192.0.2.0/24"},
		{"::ffff:192.0.2.77", "192.0.2.0/24", "192.0.2.0/24"},
		{"2001:db8:1:2:3::4", "2001:db8:1:2::/64", "2001:db8:1::/48"},
		{"fe80::1%eth0", "fe80::/64", "fe80::/48"},
		{"", "invalid Prefix", "invalid Prefix"},
	} {
		addr, _ := netip.ParseAddr(tt.addr)
		if small, large := Small(addr).String(), Large(addr).String(); small != tt.small || large != tt.large {
			t.Errorf("%q is of %s and %s, want %s and %s", tt.addr, small, large, tt.small, tt.large)
		}
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.0/8":           "10.0.0.0/8",
		"10.1.2.3/8":           "10.0.0.0/8",
		"192.0.2.1":            "192.0.2.1/32",
		"::1":                  "::1/128",
		"2001:db8::1/32":       "2001:db8::/32",
		"::ffff:10.0.0.0/104":  "10.0.0.0/8",
		"::ffff:192.0.2.1":     "192.0.2.1/32",
		"::ffff:0.0.0.0/96":    "0.0.0.0/0",
		"":                     "",
		"10.0.0.0/33":          "",
		"fe80::1%eth0":         "",
		"fe80::1%eth0/64":      "",
		"registry.example.com": "",
	} {
		got, err := Parse(text)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("Parse(%q) = %v, %v; want %q", text, got, err, want)
		}
	}
}
