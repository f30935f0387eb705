package ldap

import (
	"errors"
	"net"
	"sync/atomic"
)

// What a server may send as the answer to one question. A page of groups, or an
// account in thousands of them, is a tenth of it.
const (
	maxAnswer   = 4 << 20 // bytes; BER lets it announce gigabytes
	maxElements = 100_000 // each of which is two bytes at least, and two hundred once it is read
)

var (
	errTooLong  = errors.New("the answer is too long")
	errTooFine  = errors.New("the answer has too many parts")
	errEndless  = errors.New("the answer has a part without a length")
	errOverlong = errors.New("the answer has a part with too long a length")
)

// A line is the connection itself, or TLS on it, with bounds on what comes in.
type line struct {
	net.Conn
	raw   net.Conn // closing it waits for nobody
	left  atomic.Int64
	parts atomic.Int64 // that may come
	scan  scanner
}

func newLine(c, raw net.Conn) *line {
	l := &line{Conn: c, raw: raw}
	l.refill()
	return l
}

// Close ends the connection at once.
func (l *line) Close() error { return l.raw.Close() }

// refill lets another answer come in.
func (l *line) refill() {
	l.left.Store(maxAnswer)
	l.parts.Store(maxElements)
}

func (l *line) Read(p []byte) (int, error) {
	if l.left.Load() <= 0 {
		return 0, errTooLong
	}
	n, err := l.Conn.Read(p)
	l.left.Add(-int64(n))
	parts, bad := l.scan.scan(p[:n])
	switch {
	case bad != nil:
		return 0, bad
	case l.parts.Add(-parts) < 0:
		return 0, errTooFine
	}
	return n, err
}
