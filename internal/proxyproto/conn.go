package proxyproto

import (
	"errors"
	"net"
)

// A conn is what follows a header.
type conn struct {
	net.Conn
	client net.Addr
	rest   []byte // came together with the header
}

// RemoteAddr is the client's.
func (c *conn) RemoteAddr() net.Addr { return c.client }

// NetConn is the connection to the balancer, as tls.Conn has one.
func (c *conn) NetConn() net.Conn { return c.Conn }

func (c *conn) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.rest)
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		c.rest = nil // and its buffer with it
	}
	return n, nil
}

// CloseWrite is what net/http ends a connection with whose client is still
// sending.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// SetLinger is what a connection is reset with.
func (c *conn) SetLinger(seconds int) error {
	if t, ok := c.Conn.(interface{ SetLinger(int) error }); ok {
		return t.SetLinger(seconds)
	}
	return errors.ErrUnsupported
}
