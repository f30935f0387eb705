package ldap

import (
	"errors"
	"net"
	"sync/atomic"
)

// maxAnswer bounds what a server may send as the answer to one question, in
// bytes. BER lets it announce gigabytes.
const maxAnswer = 16 << 20

var errTooLong = errors.New("the answer is too long")

// A line is the connection itself, with a bound on what comes in.
type line struct {
	net.Conn
	left atomic.Int64
}

// refill lets another answer come in.
func (l *line) refill() { l.left.Store(maxAnswer) }

func (l *line) Read(p []byte) (int, error) {
	if l.left.Load() <= 0 {
		return 0, errTooLong
	}
	n, err := l.Conn.Read(p)
	l.left.Add(-int64(n))
	return n, err
}
