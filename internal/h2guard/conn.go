package h2guard

import (
	"crypto/tls"
	"net"
	"sync/atomic"

	"golang.org/x/net/http2"
)

// A conn is a connection whose frames are counted as they are read.
type conn struct {
	*tls.Conn
	flooded func(net.Conn)
	sent    sent

	answers scanner // of the one goroutine that writes

	// What follows is of the one goroutine that reads.
	frames scanner
	purse  purse
	ended  bool
}

// sent is what the client has been sent.
type sent struct {
	bytes  atomic.Int64 // which the client may answer with updates of windows
	resets atomic.Int64 // of requests that it should not have sent, mostly
}

func newConn(c *tls.Conn, flooded func(net.Conn)) *conn {
	return &conn{Conn: c, flooded: flooded, frames: scanner{skip: len(http2.ClientPreface)}}
}

// Write looks at what the server thinks of the requests.
func (c *conn) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		var begun bool
		if rest, begun = c.answers.next(rest); begun && c.answers.frame().kind == http2.FrameRSTStream {
			c.sent.resets.Add(1)
		}
	}
	n, err := c.Conn.Write(p)
	c.sent.bytes.Add(int64(n))
	return n, err
}

// Read fails when the client has sent too much that leads to nothing. The
// server then says so and closes (RFC 9113 7, ENHANCE_YOUR_CALM).
func (c *conn) Read(p []byte) (int, error) {
	if c.ended {
		return 0, http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	}
	n, err := c.Conn.Read(p)
	for rest := p[:n]; len(rest) > 0; {
		var begun bool
		if rest, begun = c.frames.next(rest); begun && !c.purse.pay(c.frames.frame(), &c.sent) {
			c.ended = true
			c.flooded(c.Conn)
			return 0, http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
		}
	}
	return n, err
}

// A scanner finds where frames begin in what comes in pieces.
type scanner struct {
	skip int // bytes before the next frame
	head [headerLen]byte
	have int // bytes of head
}

const headerLen = 9 // RFC 9113 4.1

// next takes bytes up to the end of the next frame's header, and returns the
// rest. begun is false if there is no such end.
func (s *scanner) next(p []byte) (rest []byte, begun bool) {
	n := min(s.skip, len(p))
	s.skip, p = s.skip-n, p[n:]
	if s.skip > 0 {
		return nil, false
	}
	n = copy(s.head[s.have:], p)
	s.have += n
	if s.have < headerLen {
		return nil, false
	}
	s.have, s.skip = 0, s.frame().length
	return p[n:], true
}

// A frame is what its header says.
type frame struct {
	kind   http2.FrameType
	flags  http2.Flags
	length int
}

// frame is the one whose header has been read.
func (s *scanner) frame() frame {
	h := s.head
	return frame{http2.FrameType(h[3]), http2.Flags(h[4]), int(h[0])<<16 | int(h[1])<<8 | int(h[2])}
}
