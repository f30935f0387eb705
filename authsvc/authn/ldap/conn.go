package ldap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

var errSlow = errors.New("no answer in time")

// A conn is a connection to a server. One caller at a time has it.
type conn struct {
	ldap    *ldap.Conn
	line    *line
	server  *server
	timeout time.Duration // of each answer
	born    time.Time
	broken  bool        // there is no sense in asking again here
	expiry  *time.Timer // while nobody has it
}

// ask puts one question, and waits for its answer as long as that may take.
// An error that is the server's own answer leaves the connection usable.
func (c *conn) ask(ctx context.Context, question func(*ldap.Conn) error) error {
	limited, cancel := context.WithTimeoutCause(ctx, c.timeout, errSlow)
	defer cancel()
	c.line.refill()
	// go-ldap knows no contexts: what ends the wait is the end of the line.
	stop := context.AfterFunc(limited, func() { _ = c.line.Close() })
	err := guarded(func() error { return question(c.ldap) })
	if !stop() {
		c.broken = true
	}
	if err == nil {
		return nil
	}
	if said, ok := answered(err); ok {
		return said
	}
	c.broken = true
	if cause := context.Cause(limited); cause != nil {
		err = cause
	}
	return fmt.Errorf("ask %s: %w", c.server.addr, err)
}

// guarded makes an error of a panic: what is parsed came over a network.
func guarded(question func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the answer cannot be read: %v", p)
		}
	}()
	return question()
}

// maxText bounds what a server says to an error, in bytes, as it is logged.
const maxText = 500

// answered returns what the server said, if err is that, by a code of RFC 4511
// 4.1.9, and not that it said nothing which makes sense.
func answered(err error) (said *ldap.Error, ok bool) {
	if !errors.As(err, &said) || said.ResultCode >= ldap.ErrorNetwork {
		return nil, false
	}
	if why := said.Err.Error(); len(why) > maxText {
		said.Err = errors.New(strings.ToValidUTF8(why[:maxText], "") + "…")
	}
	return said, true
}

// usable reports whether another question can be put.
func (c *conn) usable() bool {
	return !c.broken && !c.ldap.IsClosing() && time.Since(c.born) < maxLife
}

func (c *conn) close() {
	_ = c.line.Close()
	_ = c.ldap.Close()
}
