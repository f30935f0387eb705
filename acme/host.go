package acme

import (
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// MatchHost reports whether pattern, an entry of tls.hosts, stands for host,
// which has no port: the same name or address, or with "*.example.com" a name
// that has one label in the place of the star, as in certificates (RFC 6125
// 6.4.3). Case does not matter.
func MatchHost(pattern, host string) bool {
	pattern, host = canonical(pattern), canonical(host)
	return host != "" && pattern != "" && (pattern == host || pattern == wildcard(host))
}

// Covers reports whether host is one of the configured ones, see MatchHost.
func (c Config) Covers(host string) bool {
	for _, h := range c.Hosts {
		if MatchHost(h, host) {
			return true
		}
	}
	return false
}

// wildcard is the pattern that would cover a canonical host, "" if none could.
func wildcard(host string) string {
	label, rest, ok := strings.Cut(host, ".")
	if !ok || label == "" || rest == "" || isAddr(host) {
		return ""
	}
	return "*." + rest
}

// canonical is the one form in which hosts are compared: addresses as netip
// writes them, names in lower case. Only ASCII is lowered: Unicode has other
// letters (U+212A) whose lower case is one of ours.
func canonical(host string) string {
	if a, ok := parseAddr(host); ok {
		return a.Unmap().String()
	}
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, host)
}

func canonicalAll(hosts []string) []string {
	all := make([]string, len(hosts))
	for i, h := range hosts {
		all[i] = canonical(h)
	}
	return all
}

func isAddr(host string) bool {
	_, ok := parseAddr(host)
	return ok
}

// parseAddr sees first whether host might be an address: it is asked for each
// request, mostly of a name, for which netip makes an error to throw away.
func parseAddr(host string) (netip.Addr, bool) {
	if host == "" || !strings.Contains(host, ":") && !strings.ContainsAny(host[len(host)-1:], "0123456789") {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(host)
	return a, err == nil
}

// checkHost says why no certificate could be had for host.
func checkHost(host string) error {
	switch {
	case host == "":
		return fmt.Errorf("is empty")
	case strings.Contains(host, "://"), strings.Contains(host, "/"):
		return fmt.Errorf("%q is a URL: write the host name alone", host)
	case strings.HasPrefix(host, "["):
		return fmt.Errorf("%q: write the address without brackets and port", host)
	case isAddr(host):
		return checkAddr(host)
	case strings.Contains(host, ":"):
		return fmt.Errorf("%q: write the name without a port", host)
	}
	name, wild := strings.CutPrefix(host, "*.")
	if err := checkName(name); err != nil {
		return fmt.Errorf("%q %w", host, err)
	}
	if suffix, _ := publicsuffix.PublicSuffix(canonical(name)); wild && suffix == canonical(name) {
		return fmt.Errorf("%q: a wildcard of a public suffix would cover strangers", host)
	}
	return nil
}

func checkAddr(host string) error {
	a, _ := parseAddr(host)
	if a.Zone() != "" || a.IsUnspecified() {
		return fmt.Errorf("%q is no address that a certificate can be for", host)
	}
	return nil
}

// checkName allows what crypto/x509 takes for a host name: letters, digits,
// hyphens, and the underscore that private networks have.
func checkName(name string) error {
	if len(name) > 253 {
		return fmt.Errorf("is longer than 253 bytes")
	}
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case label == "" || len(label) > 63:
			return fmt.Errorf("has a label that is empty or longer than 63 bytes")
		case strings.Contains(label, "*"):
			return fmt.Errorf("has a star that is not the whole first label")
		case label[0] == '-' || label[len(label)-1] == '-' || strings.IndexFunc(label, notLDH) >= 0:
			return fmt.Errorf("is no host name (write an international one in its xn-- form)")
		}
	}
	return nil
}

func notLDH(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_')
}
