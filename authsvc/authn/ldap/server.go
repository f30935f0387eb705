package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
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
	stop := context.AfterFunc(ctx, func() { _ = tcp.Close() })
	defer stop()
	secured, err := s.secure(ctx, tcp)
	if err != nil {
		_ = tcp.Close()
		return nil, err
	}
	l := newLine(secured, tcp)
	spoken := ldap.NewConn(l, s.mode != tlsNone)
	spoken.Start()
	return &conn{ldap: spoken, line: l, server: s, timeout: s.timeout, born: time.Now()}, nil
}

// secure begins TLS on a connection, at once or when the server has agreed, or
// leaves it as it is.
func (s *server) secure(ctx context.Context, tcp net.Conn) (net.Conn, error) {
	switch s.mode {
	case tlsNone:
		return tcp, nil
	case tlsStart:
		if err := startTLS(tcp); err != nil {
			return nil, fmt.Errorf("StartTLS: %w", err)
		}
	}
	secured := tls.Client(tcp, s.tls)
	return secured, secured.HandshakeContext(ctx)
}

// askTLS is the request for StartTLS (RFC 4511 4.14.1), with the number 1.
const askTLS = "\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"

// startTLS reads no further than the end of the answer: what somebody on the way
// has put behind it is not taken for something that was said within TLS.
func startTLS(tcp net.Conn) error {
	if _, err := tcp.Write([]byte(askTLS)); err != nil {
		return err
	}
	return guarded(func() error {
		answer, err := ber.ReadPacket(newLine(tcp, tcp))
		if err != nil {
			return err
		}
		return ldap.GetLDAPError(answer)
	})
}
