package acme

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/regate/regate/internal/problem"
)

// validateIssuable finds hosts that no CA of the configuration has certificates
// for. It would be found out otherwise when somebody waits for them.
func (c Config) validateIssuable(l *problem.List) {
	for i, host := range c.Hosts {
		if checkHost(host) != nil {
			continue // which has been said
		}
		if msg := c.ACME.refuses(canonical(host)); msg != "" {
			l.Addf(fmt.Sprintf("hosts[%d]", i), "%s %s", host, msg)
		}
	}
}

// refuses says why a canonical host cannot have a certificate, "" if it can.
func (a ACME) refuses(host string) string {
	switch {
	case strings.HasPrefix(host, "*.") && a.DNS == nil:
		return "is a wildcard, which is proved by DNS alone: write acme.dns, or list the names themselves"
	case isAddr(host) && a.DNS != nil:
		return "is an address, which cannot be proved by DNS (RFC 8738 7): leave acme.dns out, or the address"
	}
	var first string
	for i, c := range a.withDefaults().all() {
		msg := c.refuses(host)
		if msg == "" {
			return ""
		}
		if i == 0 {
			first = msg
		}
	}
	return first
}

// refuses says why c would not sign for a canonical host, as far as is known.
func (c CA) refuses(host string) string {
	p, ok := c.public()
	switch {
	case !ok:
		return ""
	case isPrivate(host):
		return fmt.Sprintf("is known in private networks alone, and %s signs for what the internet knows: "+
			"use tls.mode internal, or the URL of a CA of yours as acme.ca", p.name)
	case strings.Contains(host, "_"):
		return fmt.Sprintf("has an underscore, with which %s signs no name", p.name)
	case isAddr(host) && p.noAddresses:
		return fmt.Sprintf("is an address, and %s signs for names: use another CA, such as letsencrypt", p.name)
	}
	return ""
}

// privateDomains are never delegated in the DNS of the internet (RFC 6761,
// 6762, 7686, 8375, and ICANN's resolution of 2024-07-29 about internal).
var privateDomains = []string{"localhost", "local", "internal", "home.arpa", "test", "example", "invalid", "onion"}

var sharedAddresses = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598

// isPrivate reports whether no CA of the internet can know a canonical host.
func isPrivate(host string) bool {
	if a, ok := parseAddr(host); ok {
		return !a.IsGlobalUnicast() || a.IsPrivate() || sharedAddresses.Contains(a)
	}
	if !strings.Contains(host, ".") {
		return true
	}
	return slices.ContainsFunc(privateDomains, func(d string) bool { return strings.HasSuffix(host, "."+d) })
}
