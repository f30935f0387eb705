package storage

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
)

// A dialer connects to hosts that are listed, whatever addresses they have, and
// to others in the internet alone.
type dialer struct {
	storage      *Storage
	any, guarded *net.Dialer
}

func (d dialer) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	for _, scheme := range [...]string{"https", "http"} {
		at := &url.URL{Scheme: scheme, Host: addr}
		if slices.ContainsFunc(d.storage.hosts, func(h host) bool { return h.has(at) }) {
			return d.any.DialContext(ctx, network, addr)
		}
	}
	return d.guarded.DialContext(ctx, network, addr)
}

// onlyPublic refuses to connect to what is not in the internet. It sees the
// address that the connection is made to, so no name can lead elsewhere
// meanwhile.
func onlyPublic(_, addr string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(addr)
	if err != nil || !public(a.Addr()) {
		return fmt.Errorf("%w: the address is not one of the internet; if it is the storage's, add the host to redirects.hosts", ErrRefused)
	}
	return nil
}
