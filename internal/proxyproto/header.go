package proxyproto

import (
	"bufio"
	"errors"
	"net"

	wire "github.com/pires/go-proxyproto"
)

// headerRoom takes every header of version 1, which is read at once, and those
// of version 2 that say little more than addresses.
const headerRoom = 256

var errNoStream = errors.New("the header is of no connection over IP")

// A nobody is the address of a client of whom its balancer says that it does
// not know who it is. It is none that any network has.
type nobody struct{}

func (nobody) Network() string { return "tcp" }
func (nobody) String() string  { return "unknown" }

// readHeader returns what is left of a connection when its header has been
// read from it.
func readHeader(c net.Conn) (*conn, error) {
	r := bufio.NewReaderSize(c, headerRoom)
	h, err := wire.Read(r)
	if err != nil {
		return nil, err
	}
	client, err := clientOf(h, c)
	if err != nil {
		return nil, err
	}
	rest, err := r.Peek(r.Buffered())
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, client: client, rest: rest}, nil
}

// clientOf is whom the header tells of. LOCAL is the balancer itself, which
// looks whether anybody is there (2.2). UNKNOWN of version 1 is a client that
// it cannot tell of (2.1), who must not pass for it.
func clientOf(h *wire.Header, c net.Conn) (net.Addr, error) {
	switch {
	case h.Version == 1 && h.Command.IsLocal():
		return nobody{}, nil
	case h.Command.IsLocal():
		return c.RemoteAddr(), nil
	}
	if from, ok := h.SourceAddr.(*net.TCPAddr); ok {
		return from, nil
	}
	return nil, errNoStream
}
