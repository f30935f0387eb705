// Package proxyproto reads what a balancer that passes TCP through says of its
// clients: the header of the PROXY protocol, version 1 or 2, that it sends
// before anything of theirs (haproxy.org, proxy-protocol.txt).
//
// In goes a net.Listener that takes balancers alone, since whoever can connect
// to it can be anybody; out comes one of connections from their clients. Each
// is accepted only when its header has been read, so its address is known and
// asking for it never waits. A header has a few seconds, and only so many may
// be outstanding; meanwhile others are accepted. Who sends none, or one that is
// not exactly right, is refused: there is no guessing whether there is one.
//
// The package knows neither which balancers there are nor what becomes of a
// client. A listener lives as long as the one that it was given.
package proxyproto
