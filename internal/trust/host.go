package trust

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// A Host is where a gate is, and how image references name it. It is only made
// by ParseHost, and so can be part of a path and of a file in any format.
type Host struct {
	name string // canonical: lower case, an address without brackets
	port string // "" is 443
}

// label is one part of a host name (RFC 1123 2.1).
var label = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// ParseHost reads HOST, HOST:PORT, or either behind https://, and refuses
// whatever else could stand in a URL. Port 443 is as good as none: references
// leave it out, and what clients look for is named as references are.
func ParseHost(arg string) (Host, error) {
	rest := arg
	if scheme, after, ok := strings.Cut(arg, "://"); ok {
		if !strings.EqualFold(scheme, "https") {
			return Host{}, fmt.Errorf("%q does not begin with https://", arg)
		}
		rest = strings.TrimSuffix(after, "/")
	}
	name, port, hasPort := splitPort(rest)
	if hasPort && !validPort(port) {
		return Host{}, fmt.Errorf("%q has no port from 1 to 65535 behind its colon", arg)
	}
	if port == "443" {
		port = ""
	}
	name, err := canonical(name)
	if err != nil {
		return Host{}, fmt.Errorf("%q is not https://HOST or https://HOST:PORT: %w", arg, err)
	}
	return Host{name: name, port: port}, nil
}

// splitPort leaves brackets where they are.
func splitPort(s string) (name, port string, ok bool) {
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		return s, "", false
	}
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == s
}

func canonical(name string) (string, error) {
	if inner, ok := strings.CutPrefix(name, "["); ok {
		addr, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		if err != nil || !addr.Is6() || addr.Is4In6() || addr.Zone() != "" || !strings.HasSuffix(inner, "]") {
			return "", fmt.Errorf("no IPv6 address is in the brackets")
		}
		return addr.String(), nil
	}
	if addr, err := netip.ParseAddr(name); err == nil && addr.Is4() {
		return addr.String(), nil
	}
	name = strings.ToLower(name)
	labels := strings.Split(name, ".")
	for _, l := range labels {
		if !label.MatchString(l) {
			return "", fmt.Errorf("%q is no part of a host name", l)
		}
	}
	if _, err := strconv.Atoi(labels[len(labels)-1]); err == nil || len(name) > 253 {
		return "", fmt.Errorf("%q is no host name", name)
	}
	return name, nil
}

// String is the host as an image reference has it: HOST or HOST:PORT.
func (h Host) String() string {
	name := h.name
	if strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	if h.port == "" {
		return name
	}
	return name + ":" + h.port
}

// Name is the host without a port, and without brackets.
func (h Host) Name() string { return h.name }

// URL is https:// and the host.
func (h Host) URL() string { return "https://" + h.String() }

// Reads reports whether `HOST/app` is read as an image of that host. A name
// without a dot and a port is taken for an account of Docker Hub
// (distribution's reference package).
func (h Host) Reads() bool {
	return strings.ContainsAny(h.String(), ".:") || h.name == "localhost"
}

// file is the host as a part of a file name, where a colon would be trouble:
// OpenSSL's tools read PATH:PATH as two.
func (h Host) file() string {
	if h.port == "" {
		return strings.ReplaceAll(h.name, ":", "-")
	}
	return strings.ReplaceAll(net.JoinHostPort(strings.ReplaceAll(h.name, ":", "-"), h.port), ":", "_")
}
