package connlimit

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
)

// Listener returns inner with the limits. If there are limits on handshakes,
// the server is to have the configuration that TLSConfig returns.
func (l *Limiter) Listener(inner net.Listener) net.Listener { return &listener{inner, l} }

type listener struct {
	net.Listener
	limiter *Limiter
}

// Only returns inner without the connections of others than these networks.
// They are refused before anything is counted or read.
func (l *Limiter) Only(inner net.Listener, from []netip.Prefix) net.Listener {
	return &only{inner, l, from}
}

type only struct {
	net.Listener
	limiter *Limiter
	from    []netip.Prefix
}

// Accept returns the next connection from one of the networks.
func (l *only) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		addr := peer(c)
		if within(addr.Unmap().WithZone(""), l.from) {
			return c, nil
		}
		l.limiter.refused.add(Untrusted, addr)
		reset(c)
	}
}

// Accept returns the next connection within the limits.
func (l *listener) Accept() (net.Conn, error) {
	for {
		inner, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		addr := peer(inner)
		all, reason := l.limiter.enter(addr)
		if reason == "" {
			return l.limiter.conn(inner, all), nil
		}
		l.limiter.refused.add(reason, addr)
		reset(inner)
	}
}

func (l *Limiter) conn(inner net.Conn, all crowds) *conn {
	c := &conn{Conn: inner, limiter: l, crowds: all}
	if l.limits.Handshakes == 0 {
		c.turn.state.Store(over)
	}
	return c
}

// A conn is a connection that is counted until it is closed.
type conn struct {
	net.Conn
	limiter *Limiter
	crowds  crowds
	turn    turn
	closed  atomic.Bool
}

var errCrowd = errors.New("too many handshakes at once")

// Read waits for the client, and during the handshake for a slot besides.
func (c *conn) Read(p []byte) (int, error) {
	c.pause()
	n, err := c.Conn.Read(p)
	if n > 0 && !c.compute() {
		c.limiter.refused.add(Handshakes, peer(c.Conn))
		c.settle()
		reset(c.Conn)
		return 0, errCrowd
	}
	return n, err
}

// Write may wait for the client, too.
func (c *conn) Write(p []byte) (int, error) {
	c.pause()
	return c.Conn.Write(p)
}

// Close counts the connection out.
func (c *conn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.settle()
		c.limiter.leave(c.crowds)
	}
	return c.Conn.Close()
}

// CloseWrite is what net/http ends a connection with whose client is still
// sending, so that it can read the answer before the reset.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// reset ends a connection without the states of TCP that a close leaves.
func reset(c net.Conn) {
	if t, ok := c.(interface{ SetLinger(int) error }); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

// peer is the address of the other side; zero if it has none.
func peer(c net.Conn) netip.Addr {
	if t, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return t.AddrPort().Addr()
	}
	return netip.Addr{}
}
