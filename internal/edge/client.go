package edge

import (
	"net/http"
	"net/netip"
	"strings"
)

// Clients finds out who sends each request, for Client and for the log.
// X-Forwarded-For is believed from the trusted networks only.
func Clients(trusted []netip.Prefix) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, w, r := enter(w, r)
			s.client = ClientAddr(r, trusted)
			next.ServeHTTP(w, r)
		})
	}
}

// Client is the address of the client as Clients found it; without that, the
// address of the peer. The zero Addr is that of nobody knows whom, and of a
// peer that has none, such as that of a Unix socket.
func Client(r *http.Request) netip.Addr {
	if s := from(r.Context()); s != nil {
		return s.client
	}
	return peer(r)
}

// ClientAddr is the address from which r comes. If the peer is trusted, that
// is the last address in X-Forwarded-For that is not itself trusted: each
// proxy appends the one it saw, so whatever stands before the first stranger
// may be his invention. Where that is no address, nobody knows who it is, and
// it is the zero Addr: the proxy's own would be within networks that strangers
// are to be kept out of. Empty elements say nothing (RFC 9110 5.6.1.2).
func ClientAddr(r *http.Request, trusted []netip.Prefix) netip.Addr {
	addr := peer(r)
	lines := r.Header["X-Forwarded-For"]
	for i := len(lines) - 1; i >= 0; i-- {
		rest, last := lines[i], ""
		for more := true; more; {
			if !within(addr, trusted) {
				return addr
			}
			rest, last, more = cutLast(rest)
			if last = strings.TrimSpace(last); last == "" {
				continue
			}
			next, ok := parseAddr(last)
			if !ok {
				return netip.Addr{}
			}
			addr = next
		}
	}
	return addr
}

func cutLast(list string) (rest, last string, more bool) {
	i := strings.LastIndexByte(list, ',')
	if i < 0 {
		return "", list, false
	}
	return list[:i], list[i+1:], true
}

func within(addr netip.Addr, nets []netip.Prefix) bool {
	for _, n := range nets {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}

// parseAddr reads an address with or without a port. Azure's gateways append
// one. A zone means nothing on another machine and is left out.
func parseAddr(s string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	a, err := netip.ParseAddr(s)
	return a.Unmap().WithZone(""), err == nil
}

func peer(r *http.Request) netip.Addr {
	a, _ := parseAddr(r.RemoteAddr)
	return a
}
