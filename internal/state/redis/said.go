package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/redis/go-redis/v9"
)

type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// remembering has a connection that breaks tell what the server said last. One
// that takes nobody (protected mode, too many clients) says so and hangs up;
// what the client then tries next finds no more than a broken pipe.
func remembering(dial dialer) dialer {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		told := &conn{Conn: c}
		if raw, ok := c.(syscall.Conn); ok { // by which an idle one is looked at
			return struct {
				*conn
				syscall.Conn
			}{told, raw}, nil
		}
		return told, nil
	}
}

type conn struct {
	net.Conn
	last   atomic.Pointer[string] // what was read last, if it is an error
	framed framing                // by the one who reads
	wrong  error                  // with what was read; it is all that comes after that
}

// mostWords is how much of an error is remembered.
const mostWords = 200

func (c *conn) Read(p []byte) (int, error) {
	if c.wrong != nil {
		return 0, c.wrong
	}
	n, err := c.Conn.Read(p)
	switch {
	case n > 0 && p[0] == '-':
		said := firstLine(p[1:min(n, mostWords)])
		c.last.Store(&said)
	case n > 0:
		c.last.Store(nil)
	}
	if c.wrong = c.framed.feed(p[:n]); c.wrong != nil {
		return 0, c.wrong
	}
	return n, c.because(err)
}

func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, c.because(err)
}

func (c *conn) because(err error) error {
	var slow net.Error
	said := c.last.Load()
	if err == nil || said == nil || errors.As(err, &slow) && slow.Timeout() {
		return err
	}
	return &hungUp{discreet(*said), err}
}

func firstLine(text []byte) string {
	line, _, _ := strings.Cut(string(text), "\r\n")
	return line
}

// discreet cuts off what a server repeats of a command that it does not know:
// it may be the one with the password. Which line of which script has failed is
// of no use to anybody who does not have that.
func discreet(said string) string {
	told, _, _ := strings.Cut(said, ", with args beginning with")
	if inner, ok := strings.CutPrefix(told, "ERR Error running script "); ok { // Redis 6.2
		if _, cause, ok := strings.Cut(inner, ": -"); ok {
			told = cause
		}
	}
	told, _, _ = strings.Cut(told, " script: ")
	return told
}

// A reply is an error that the server has answered.
type reply string

func (r reply) Error() string { return string(r) }
func (reply) RedisError()     {}

// discreetly is err, or the discreet part of it.
func discreetly(err error) error {
	var answer redis.Error
	if errors.As(err, &answer) && discreet(answer.Error()) != answer.Error() {
		return reply(discreet(answer.Error()))
	}
	return err
}

// A hungUp is the error of a connection that the server has ended.
type hungUp struct {
	said string
	err  error
}

func (h *hungUp) Error() string {
	return fmt.Sprintf("the server says %q and hangs up: %v", h.said, h.err)
}
func (h *hungUp) Unwrap() error { return h.err }
