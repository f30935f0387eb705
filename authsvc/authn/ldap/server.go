package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"
	"go.uber.org/zap"
)

// How long a server rests that did not answer; twice as long each time.
const (
	shortRest = 250 * time.Millisecond
	longRest  = 15 * time.Second
)

// A server is one of those that have the entries of a directory.
type server struct {
	addr    string
	mode    string      // tlsNone, tlsStart or tlsAlways
	tls     *tls.Config // nil if the mode is tlsNone
	connect time.Duration
	timeout time.Duration
	log     *zap.Logger

	mu     sync.Mutex // guards all below
	rest   time.Duration
	next   time.Time // nobody tries before
	trying bool      // somebody finds out whether the rest is over
	why    error     // it rests
}

// try reports whether the server may be asked now, and keeps others away until
// it is known whether one that had rested answers again. If it may not, the
// error says why.
func (s *server) try(now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rest == 0 {
		return nil
	}
	if now.Before(s.next) {
		return fmt.Errorf("not tried again so soon after: %w", s.why)
	}
	s.trying, s.next = true, now.Add(s.connect+s.timeout)
	return nil
}

// failed has the server rest. Those who failed together are one failure.
func (s *server) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.rest > 0 && !s.trying && now.Before(s.next) {
		return
	}
	if s.rest == 0 {
		s.log.Warn("directory server does not answer", zap.String("server", s.addr), zap.Error(err))
	}
	s.rest = min(max(2*s.rest, shortRest), longRest)
	s.trying, s.next, s.why = false, now.Add(s.rest), err
}

// works ends the rest.
func (s *server) works() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rest > 0 {
		s.log.Info("directory server answers again", zap.String("server", s.addr))
	}
	s.rest, s.trying = 0, false
}

// release lets others try, as whoever did has left.
func (s *server) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trying {
		s.trying, s.next = false, time.Time{}
	}
}

// dial makes a connection, and has prepare make it ready.
func (s *server) dial(ctx context.Context, prepare func(context.Context, *conn) error) (*conn, error) {
	limited, cancel := context.WithTimeoutCause(ctx, s.connect, errSlow)
	defer cancel()
	c, err := s.open(limited)
	if err == nil {
		if err = prepare(limited, c); err != nil {
			c.close()
		}
	}
	if err == nil {
		return c, nil
	}
	if errors.Is(context.Cause(limited), errSlow) {
		err = errSlow
	}
	return nil, fmt.Errorf("connect to %s: %w", s.addr, err)
}

// keepAlive finds out within half a minute that the other side is gone.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}

func (s *server) open(ctx context.Context) (*conn, error) {
	tcp, err := (&net.Dialer{KeepAliveConfig: keepAlive}).DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return nil, err
	}
	l := &line{Conn: tcp}
	l.refill()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	spoken, err := s.speak(ctx, l)
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	return &conn{ldap: spoken, line: l, server: s, timeout: s.timeout, born: time.Now()}, nil
}

// speak begins LDAP on a line, with TLS before it, within it, or without.
func (s *server) speak(ctx context.Context, l *line) (*ldap.Conn, error) {
	if s.mode == tlsAlways {
		secure := tls.Client(l, s.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		spoken := ldap.NewConn(secure, true)
		spoken.Start()
		return spoken, nil
	}
	spoken := ldap.NewConn(l, false)
	spoken.Start()
	if s.mode == tlsNone {
		return spoken, nil
	}
	err := guarded(spoken, func(c *ldap.Conn) error { return c.StartTLS(s.tls) })
	if err != nil {
		_ = l.Close()
		_ = spoken.Close()
		return nil, fmt.Errorf("StartTLS: %w", err)
	}
	return spoken, nil
}
