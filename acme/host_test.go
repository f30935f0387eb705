package acme

import (
	"crypto/x509"
	"net"
	"strings"
	"testing"
)

var matchTests = []struct {
	pattern, host string
	want          bool
}{
	{"a.example.com", "a.example.com", true},
	{"a.example.com", "A.Example.COM", true},
	{"A.example.com", "a.example.com", true},
	{"a.example.com", "b.example.com", false},
	{"a.example.com", "a.example.com.", false},
	{"*.example.com", "a.example.com", true},
	{"*.example.com", "example.com", false},
	{"*.example.com", ".example.com", false},
	{"*.example.com", "a.b.example.com", false},
	{"*.example.com", "aexample.com", false},
	{"10.0.0.5", "10.0.0.5", true},
	{"10.0.0.5", "::ffff:10.0.0.5", true},
	{"*.0.0.5", "10.0.0.5", false},
	{"::1", "0:0::1", true},
	{"kilo.example.com", "\u212Ailo.example.com", false},
	{"", "", false},
	{"", "localhost", false}, // which no wildcard stands for
}

func TestMatchHost(t *testing.T) {
	for _, tt := range matchTests {
		if got := MatchHost(tt.pattern, tt.host); got != tt.want {
			t.Errorf("MatchHost(%q, %q) = %t, want %t", tt.pattern, tt.host, got, tt.want)
		}
		if got := (Config{Hosts: []string{"z.example.net", tt.pattern}}).Covers(tt.host); got != tt.want {
			t.Errorf("hosts %q: Covers(%q) = %t, want %t", tt.pattern, tt.host, got, tt.want)
		}
	}
}

// FuzzMatchHost compares with what clients do when they check a certificate.
func FuzzMatchHost(f *testing.F) {
	for _, tt := range matchTests {
		f.Add(tt.pattern, tt.host)
	}
	f.Fuzz(func(t *testing.T, pattern, host string) {
		if checkHost(pattern) != nil || checkHost(host) != nil || strings.Contains(host, "*") {
			return // the gate refuses it in its configuration, and a client in a URL
		}
		cert := &x509.Certificate{DNSNames: []string{pattern}}
		if isAddr(pattern) {
			cert = &x509.Certificate{IPAddresses: []net.IP{net.ParseIP(pattern)}}
		}
		want := cert.VerifyHostname(host) == nil
		if got := MatchHost(pattern, host); got != want {
			t.Errorf("MatchHost(%q, %q) = %t, crypto/x509 says %t", pattern, host, got, want)
		}
	})
}

func TestHostOnly(t *testing.T) {
	for header, want := range map[string]string{
		"a.example.com": "a.example.com", "A.example.com:80": "a.example.com", "192.0.2.7": "192.0.2.7", "192.0.2.7:80": "192.0.2.7",
		"[2001:DB8::7]": "2001:db8::7", "[2001:db8:0::7]:80": "2001:db8::7", "": "", ":80": "", "[": "",
	} {
		if got := hostOnly(header); got != want {
			t.Errorf("hostOnly(%q) = %q, want %q", header, got, want)
		}
	}
}
