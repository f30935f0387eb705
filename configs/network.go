package configs

import (
	"fmt"
	"net/netip"
)

// A Network is a range of addresses: 10.0.0.0/8, or one address alone.
type Network struct{ netip.Prefix }

// UnmarshalText reads a network or an address.
func (n *Network) UnmarshalText(text []byte) error {
	if addr, err := netip.ParseAddr(string(text)); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		n.Prefix = netip.PrefixFrom(addr, addr.BitLen())
		return nil
	}
	p, err := netip.ParsePrefix(string(text))
	if err != nil || p.Addr().Is4In6() {
		return fmt.Errorf("%q is no address or network such as 10.0.0.0/8", text)
	}
	if p != p.Masked() {
		return fmt.Errorf("%s has bits outside of its mask; the network is %s", p, p.Masked())
	}
	n.Prefix = p
	return nil
}
