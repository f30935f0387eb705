// Package network says which addresses are taken for one client where clients
// are counted, and reads networks as people write them. It knows no list of
// networks, and believes no header: the address is the caller's to find. It has
// no state.
package network

import (
	"errors"
	"net/netip"
)

// Small is the network of one site: a /24 of IPv4, a /64 of IPv6, which is the
// least that anybody is given. It is not valid if addr is not.
func Small(addr netip.Addr) netip.Prefix { return of(addr, 64) }

// Large is the network of somebody who has many of them: a /24 of IPv4, a /48
// of IPv6, which anybody gets for the asking (RFC 6177). It is not valid if
// addr is not.
func Large(addr netip.Addr) netip.Prefix { return of(addr, 48) }

func of(addr netip.Addr, bits int) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		bits = 24
	}
	p, _ := addr.Prefix(bits) // which fails for the zero Addr alone
	return p
}

var errNone = errors.New("is neither an address nor a network such as 10.0.0.0/8")

// Parse reads a network, or an address, which is a network of its own. One of
// IPv4 that is written as IPv6 is IPv4: else it would have no address in it.
func Parse(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, errNone
	}
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}
