package h2guard

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
)

// A conn is a connection whose frames are counted as they are read.
type conn struct {
	net.Conn // below, but for what it says of TLS: net/http would want HTTP/1.1 of it
	below    *tls.Conn
	flooded  func(net.Conn)
	sent     sent
	once     sync.Once
	closed   chan struct{}

	answers scanner // of the one goroutine that writes

	// What follows is of the one goroutine that reads.
	frames scanner
	purse  purse
}

// sent is what the client has been sent.
type sent struct {
	bytes  atomic.Int64 // which the client may answer with updates of windows
	resets atomic.Int64 // of requests that it should not have sent, mostly
}

func newConn(c *tls.Conn, flooded func(net.Conn)) *conn {
	return &conn{Conn: c, below: c, flooded: flooded, closed: make(chan struct{}), frames: scanner{skip: prefaceLen}}
}

// Write looks at what the server thinks of the requests.
func (c *conn) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		var begun bool
		if rest, begun = c.answers.next(rest); begun && c.answers.frame().kind == rstStream {
			c.sent.resets.Add(1)
		}
	}
	n, err := c.Conn.Write(p)
	c.sent.bytes.Add(int64(n))
	return n, err
}

var errFlood = errors.New("too many frames of HTTP/2 that lead to nothing")

// Read fails when the client has sent too much that leads to nothing. The
// server then closes.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	for rest := p[:n]; len(rest) > 0; {
		var begun bool
		if rest, begun = c.frames.next(rest); begun && !c.purse.pay(c.frames.frame(), &c.sent) {
			c.flooded(c.Conn)
			return 0, errors.Join(errFlood, c.Close())
		}
	}
	return n, err
}

// Close tells serve.
func (c *conn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
