package storage

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// target is where a redirect leads, if it may be followed.
func (s *Storage) target(from *url.URL, a Ask) (*url.URL, error) {
	u, err := url.Parse(a.Location)
	if err != nil || len(a.Location) > mostURL || strings.ContainsAny(a.Location, " \t") {
		return nil, fmt.Errorf("%w: it is no URL", ErrRefused)
	}
	u = from.ResolveReference(u)
	u.Fragment, u.RawFragment = "", ""
	_, port := address(u)
	listed := slices.ContainsFunc(s.hosts, func(h host) bool { return h.has(u) })
	switch {
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.Opaque != "":
		return nil, fmt.Errorf("%w: it has no host", ErrRefused)
	case u.User != nil:
		return nil, fmt.Errorf("%w: it has a user", ErrRefused)
	case strings.ContainsFunc(u.Host, func(c rune) bool { return c > unicode.MaxASCII }): // IDNA would make another name of it
		return nil, fmt.Errorf("%w: %q has what is no letter of a host", ErrRefused, u.Host)
	case s.leadsBack(u, a.Gate):
		return nil, fmt.Errorf("%w: it leads back to the gate", ErrRefused)
	case listed:
		return u, nil
	case u.Scheme != "https":
		return nil, fmt.Errorf("%w: %s has no TLS; if that is as it should be, add http://%[2]s to redirects.hosts", ErrRefused, u.Host)
	case !s.always || port != "443":
		return nil, fmt.Errorf("%w: %s is none of redirects.hosts", ErrRefused, u.Host)
	}
	return u, nil
}

// leadsBack reports whether u is the gate. Of what its wildcards cover, the
// operator knows better who is there, and has listed it by its name.
func (s *Storage) leadsBack(u *url.URL, client string) bool {
	name, port := address(u)
	gate, gatePort := address(&url.URL{Scheme: "https", Host: client})
	if name == gate && port == gatePort {
		return true
	}
	byName := slices.ContainsFunc(s.hosts, func(h host) bool { return !h.below && h.has(u) })
	return !byName && s.gate(net.JoinHostPort(name, port))
}
