package connlimit

import (
	"context"
	"crypto/tls"
	"net"
	"sync/atomic"
)

// A turn is the state of one connection's handshake. Its reads and writes come
// from one goroutine; that it is over may be said by any.
type turn struct{ state atomic.Int32 }

const (
	listening int32 = iota // for the client, who may take his time
	computing              // has a slot
	over
)

// TLSConfig returns cfg with the end of each handshake told to its connection,
// which Listener has made.
func (l *Limiter) TLSConfig(cfg *tls.Config) *tls.Config {
	cfg = cfg.Clone()
	chosen := cfg.GetConfigForClient
	cfg.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if c := below(hello.Conn); c != nil {
			context.AfterFunc(hello.Context(), c.settle) // which is done with the handshake
		}
		if chosen == nil {
			return nil, nil
		}
		return chosen(hello)
	}
	return cfg
}

// below finds the connection that Listener has made below others.
func below(c net.Conn) *conn {
	for {
		switch found := c.(type) {
		case *conn:
			return found
		case interface{ NetConn() net.Conn }:
			c = found.NetConn()
		default:
			return nil
		}
	}
}

// compute waits for a slot, and reports false if too many wait already. A slot
// is never held while anything is waited for, so the wait is as long as the
// work of those before.
func (c *conn) compute() bool {
	if c.turn.state.Load() != listening {
		return true
	}
	if !c.limiter.line(c.crowds) {
		return false
	}
	c.limiter.slots <- struct{}{}
	if !c.turn.state.CompareAndSwap(listening, computing) { // closed meanwhile
		c.limiter.next(c.crowds)
	}
	return true
}

// pause gives the slot back before anything is waited for.
func (c *conn) pause() {
	if c.turn.state.Load() == computing && c.turn.state.CompareAndSwap(computing, listening) {
		c.limiter.next(c.crowds)
	}
}

// settle ends the handshake.
func (c *conn) settle() {
	if c.turn.state.Swap(over) == computing {
		c.limiter.next(c.crowds)
	}
}

// line counts in a handshake that wants a slot, if its crowd has room.
func (l *Limiter) line(all crowds) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limits.Handshakes > 0 && l.handshakes >= l.limits.Handshakes {
		return false
	}
	for _, c := range all.here() {
		if l.crowded(c) {
			return false
		}
	}
	l.handshakes++
	for _, c := range all.here() {
		c.handshakes++
	}
	return true
}

// next lets the next one compute. Whoever has waited longest is it.
func (l *Limiter) next(all crowds) {
	<-l.slots
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handshakes--
	for _, c := range all.here() {
		c.handshakes--
	}
}

// crowded reports whether a network has its share of the handshakes.
func (l *Limiter) crowded(c *crowd) bool {
	return l.limits.Handshakes > 0 && c.handshakes >= (l.limits.Handshakes+1)/2
}
