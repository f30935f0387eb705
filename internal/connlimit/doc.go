// Package connlimit bounds what strangers can take by connecting: connections,
// altogether and from one network, and processor time for TLS handshakes.
//
// In goes a net.Listener, out comes one that closes at once what is beyond the
// limits, with a reset, so that nothing of it stays in the kernel either. There
// is no queue of connections: whoever is refused may try again, and a queue
// would be filled by whoever does not care about the answer.
//
// Handshakes do have a queue. A handshake that waits for its client costs no
// more than any idle connection and is counted as one; what it costs is the
// time between a message of the client and the answer. Only for that does it
// take its turn, so a client that stalls holds up nobody but himself. Half of
// the processors at most are busy with handshakes, the rest is for those who
// are connected.
//
// Requests are counted in the same way by whoever has them, with a Limiter of
// their own: what takes much is a request that waits for its client, of which
// one connection of HTTP/2 has many.
//
// The package knows neither HTTP nor certificates and believes no header; the
// address is that of the peer. Where that is a balancer that says who its
// clients are, somebody else reads it: a Limiter keeps everybody but the
// balancers from him, and counts what he still holds.
//
// A Limiter lives as long as its listener, which is as long as the process, or
// as the registry whose requests it counts.
package connlimit
