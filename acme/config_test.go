package acme

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/internal/problem"
)

var validateTests = []struct {
	name string
	cfg  Config
	want string // one line for each problem; warnings begin with "warning "
}{
	{name: "internal", cfg: internal("registry.example.com", "*.example.com", "a_b", "10.0.0.5", "::1")},
	{name: "files", cfg: Config{Hosts: []string{"a.example.com"}, Mode: "files", Files: []KeyPair{{"c", "k"}}}},
	{name: "proxied needs no hosts", cfg: Config{Mode: "proxied"}},
	{
		name: "brought CA",
		cfg:  Config{Hosts: []string{"a"}, Mode: "internal", Internal: Internal{CACert: "c", CAKey: "k", Lifetime: time.Hour}},
	},
	{name: "TLS 1.3", cfg: Config{Hosts: []string{"a"}, Mode: "internal", MinVersion: "1.3"}},
	{
		name: "TLS 1.1",
		cfg:  Config{Hosts: []string{"a"}, Mode: "internal", MinVersion: "1.1"},
		want: `min_version: "1.1" is neither 1.2 nor 1.3`,
	},
	{
		name: "TLS is somebody else's",
		cfg:  Config{Mode: "proxied", MinVersion: "1.3"},
		want: "warning min_version: is not read in mode proxied",
	},
	{
		name: "nothing",
		want: "hosts: names no host: list the names under which clients reach the gate\n" +
			"acme.email: is missing: a CA wants to know whom to write to when it has to take certificates back",
	},
	{
		name: "unknown mode",
		cfg:  Config{Hosts: []string{"a"}, Mode: "Internal"},
		want: `mode: "Internal" is none of acme, internal, files and proxied`,
	},
	{
		name: "hosts",
		cfg: internal("", "https://a.example.com", "a.example.com:443", "[::1]:443", "b.example.com", "B.example.com", "*", "*.com",
			"*.co.uk", "a.*.com", "bücher.example.com", "-a.example.com", "a..b", "fe80::1%eth0", "0.0.0.0", strings.Repeat("a", 64)),
		want: `hosts[0]: is empty
hosts[1]: "https://a.example.com" is a URL: write the host name alone
hosts[2]: "a.example.com:443": write the name without a port
hosts[3]: "[::1]:443": write the address without brackets and port
hosts[5]: "B.example.com" is there twice
hosts[6]: "*" has a star that is not the whole first label
hosts[7]: "*.com": a wildcard of a public suffix would cover strangers
hosts[8]: "*.co.uk": a wildcard of a public suffix would cover strangers
hosts[9]: "a.*.com" has a star that is not the whole first label
hosts[10]: "bücher.example.com" is no host name (write an international one in its xn-- form)
hosts[11]: "-a.example.com" is no host name (write an international one in its xn-- form)
hosts[12]: "a..b" has a label that is empty or longer than 63 bytes
hosts[13]: "fe80::1%eth0" is no address that a certificate can be for
hosts[14]: "0.0.0.0" is no address that a certificate can be for
hosts[15]: "` + strings.Repeat("a", 64) + `" has a label that is empty or longer than 63 bytes`,
	},
	{
		name: "files half-written",
		cfg:  Config{Hosts: []string{"a"}, Mode: "files", Files: []KeyPair{{Cert: "c"}, {Key: "k"}}},
		want: "files[0]: needs both cert and key\nfiles[1]: needs both cert and key",
	},
	{
		name: "no files",
		cfg:  Config{Hosts: []string{"a"}, Mode: "files"},
		want: "files: names no certificate, but mode is files",
	},
	{
		name: "sections of other modes",
		cfg:  Config{Mode: "proxied", Files: []KeyPair{{"c", "k"}}, Internal: Internal{Name: "x"}, ACME: ACME{First: CA{Email: "x"}}},
		want: "warning acme: is not read in mode proxied\nwarning files: is not read in mode proxied\nwarning internal: is not read in mode proxied",
	},
	{
		name: "internal",
		cfg: Config{Hosts: []string{"a"}, Mode: "internal",
			Internal: Internal{Name: "../x", Lifetime: time.Second, CACert: "c"}},
		want: `internal.name: "../x": use at most 48 letters, digits, spaces, dots, hyphens and underscores
internal.lifetime: 1s is not between 1m0s and 9480h0m0s
internal: needs both ca_cert and ca_key, or neither
internal.name: is for a CA that the gate makes, but ca_cert brings one`,
	},
}

func TestValidate(t *testing.T) {
	for _, tt := range validateTests {
		if got := lines(tt.cfg.Validate()); got != tt.want {
			t.Errorf("%s: Validate() =\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}

func lines(err error) string {
	if err == nil {
		return ""
	}
	var all []string
	for _, p := range err.(problem.List) {
		line := p.Error()
		if p.Warning {
			line = "warning " + line
		}
		all = append(all, line)
	}
	return strings.Join(all, "\n")
}

func TestOldestVersion(t *testing.T) {
	for text, want := range map[string]uint16{"": tls.VersionTLS12, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		if got := newTLSConfig(newShelf(), Config{MinVersion: text}.oldestVersion()).MinVersion; got != want {
			t.Errorf("min_version %q is %s, want %s", text, tls.VersionName(got), tls.VersionName(want))
		}
	}
}
