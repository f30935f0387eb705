package acme

import (
	"testing"
	"time"

	"github.com/regate/regate/acme/dns"
)

// public is a Config of mode acme as most people have it.
func public(hosts ...string) Config {
	return Config{Hosts: hosts, ACME: ACME{First: CA{Email: "ops@example.com"}}}
}

func with(c Config, change func(*ACME)) Config {
	change(&c.ACME)
	return c
}

var (
	someEAB = EAB{KeyID: "k", HMACKey: "c2VjcmV0"}
	someDNS = &dns.Config{Exec: &dns.Exec{Command: []string{"/bin/change"}}}
)

var validateACMETests = []struct {
	name string
	cfg  Config
	want string
}{
	{name: "two lines", cfg: public("registry.example.com", "192.0.2.1", "2001:db8::1")},
	{name: "staging", cfg: with(public("a.example.com"), func(a *ACME) { a.First.CA = "letsencrypt-staging" })},
	{name: "CA of one's own", cfg: with(public("registry", "a.local", "10.0.0.5"), func(a *ACME) { a.First.CA = "https://ca.local:9000/acme" })},
	{name: "wildcard with DNS", cfg: with(public("*.example.com"), func(a *ACME) { a.DNS = someDNS })},
	{
		name: "no email",
		cfg:  Config{Mode: "acme", Hosts: []string{"a.example.com"}},
		want: "acme.email: is missing: a CA wants to know whom to write to when it has to take certificates back",
	},
	{
		name: "first CA",
		cfg: with(public("a.example.com"), func(a *ACME) {
			a.First = CA{CA: "http://ca.example.com/d", Email: "ops", Profile: "a b", EAB: EAB{HMACKey: "?"}}
		}),
		want: `acme.ca: begins with http://, so that anybody on the way could be the CA: use https://, with trusted_roots if the system does not trust it
acme.email: "ops" is no e-mail address such as ops@example.com
acme.profile: "a b": use at most 64 letters, digits, dots, hyphens and underscores
acme.eab.key_id: is missing
acme.eab.hmac_key: is no key in base64url`,
	},
	{
		name: "CAs with EAB",
		cfg: with(public("a.example.com"), func(a *ACME) {
			a.First.CA = "zerossl"
			a.Fallback = []CA{
				{CA: "google", EAB: EAB{KeyID: "k"}},
				{CA: "https://acme.zerossl.com/v2/DV90", EAB: EAB{KeyID: "k", HMACKey: "c2VjcmV0", HMACKeyFile: "f"}},
			}
		}),
		want: `acme.eab: is missing: zerossl gives certificates to those alone who have a key from its website
acme.fallback[0].eab.hmac_key_file: is missing
acme.fallback[1].eab.hmac_key_file: is given beside hmac_key: leave one of them out
acme.fallback[1].ca: https://acme.zerossl.com/v2/DV90 is asked before already`,
	},
	{
		name: "fallback",
		cfg: with(public("a.example.com"), func(a *ACME) {
			a.Fallback = []CA{{}, {CA: "LetsEncrypt"}, {CA: "https://u@ca.example.com"}, {CA: "letsencrypt"}, {CA: "letsencrypt", Profile: "tlsserver"}}
		}),
		want: `acme.fallback[0].ca: is missing: name the CA to ask next
acme.fallback[1].ca: "LetsEncrypt" is none of letsencrypt, letsencrypt-staging, zerossl and google, and no https URL
acme.fallback[2].ca: has more than the URL of a directory, https://HOST[:PORT]/PATH
acme.fallback[0].ca: letsencrypt is asked before already
acme.fallback[3].ca: letsencrypt is asked before already`,
	},
	{
		name: "challenges",
		cfg: with(public("a.example.com"), func(a *ACME) {
			a.Challenges = []string{"http-01", "dns-01", "http", "http-01"}
			a.DNS = &dns.Config{Exec: someDNS.Exec, TTL: -time.Second}
		}),
		want: `acme.challenges[1]: dns-01 needs somebody who changes the DNS: write acme.dns instead
acme.challenges[2]: "http" is neither tls-alpn-01 nor http-01
acme.challenges[3]: "http-01" is there twice
warning acme.challenges: is not read where acme.dns is
acme.dns.ttl: -1s is not between 0s and 24h0m0s`,
	},
	{
		name: "hosts that no CA signs for",
		cfg:  public("*.example.com", "registry", "a.LOCAL", "b.internal", "10.0.0.5", "100.64.0.1", "::1", "a_b.example.com"),
		want: `hosts[0]: *.example.com is a wildcard, which is proved by DNS alone: write acme.dns, or list the names themselves
hosts[1]: registry ` + inPrivate + `
hosts[2]: a.LOCAL ` + inPrivate + `
hosts[3]: b.internal ` + inPrivate + `
hosts[4]: 10.0.0.5 ` + inPrivate + `
hosts[5]: 100.64.0.1 ` + inPrivate + `
hosts[6]: ::1 ` + inPrivate + `
hosts[7]: a_b.example.com has an underscore, with which letsencrypt signs no name`,
	},
	{
		name: "addresses",
		cfg: with(public("192.0.2.1", "10.0.0.5"), func(a *ACME) {
			a.First.CA, a.First.EAB = "zerossl", someEAB
		}),
		want: `hosts[0]: 192.0.2.1 is an address, and zerossl signs for names: use another CA, such as letsencrypt
hosts[1]: 10.0.0.5 is known in private networks alone, and zerossl signs for what the internet knows: use tls.mode internal, or the URL of a CA of yours as acme.ca`,
	},
	{
		name: "addresses that the next CA signs for",
		cfg: with(public("192.0.2.1"), func(a *ACME) {
			a.First.CA, a.First.EAB, a.Fallback = "zerossl", someEAB, []CA{{CA: "letsencrypt"}}
		}),
	},
	{
		name: "addresses and DNS",
		cfg:  with(public("192.0.2.1"), func(a *ACME) { a.DNS = someDNS }),
		want: "hosts[0]: 192.0.2.1 is an address, which cannot be proved by DNS (RFC 8738 7): leave acme.dns out, or the address",
	},
}

const inPrivate = "is known in private networks alone, and letsencrypt signs for what the internet knows: " +
	"use tls.mode internal, or the URL of a CA of yours as acme.ca"

func TestValidateACME(t *testing.T) {
	for _, tt := range validateACMETests {
		if got := lines(tt.cfg.Validate()); got != tt.want {
			t.Errorf("%s: Validate() =\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}
