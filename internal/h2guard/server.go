package h2guard

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
)

// Configure has s, which must not serve yet, speak HTTP/2 under guard. flooded
// is told of each connection that is ended for it; nil is nobody.
//
// net/http has no place for anything between TLS and HTTP/2. So connections
// that have chosen HTTP/2 go on to a second server, which takes them for ones
// without TLS, as it would those of a balancer that has ended it.
func Configure(s *http.Server, flooded func(net.Conn)) {
	if flooded == nil {
		flooded = func(net.Conn) {}
	}
	inner := innerServer(s)
	s.RegisterOnShutdown(func() { _ = inner.Shutdown(context.Background()) }) // which ends with s
	if s.TLSNextProto == nil {
		s.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	}
	s.TLSNextProto["h2"] = func(_ *http.Server, c *tls.Conn, _ http.Handler) {
		serve(inner, newConn(c, flooded))
	}
}

// innerServer is what s would be for HTTP/2.
func innerServer(s *http.Server) *http.Server {
	inner := &http.Server{
		Handler:                      withTLS(s.Handler),
		DisableGeneralOptionsHandler: s.DisableGeneralOptionsHandler,
		ReadHeaderTimeout:            s.ReadHeaderTimeout,
		IdleTimeout:                  s.IdleTimeout,
		MaxHeaderBytes:               s.MaxHeaderBytes,
		ErrorLog:                     s.ErrorLog,
		HTTP2:                        s.HTTP2,
		Protocols:                    new(http.Protocols),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			below := c.(*conn).below
			if s.ConnContext != nil {
				ctx = s.ConnContext(ctx, below)
			}
			state := below.ConnectionState()
			return context.WithValue(ctx, stateKey{}, &state)
		},
	}
	inner.Protocols.SetUnencryptedHTTP2(true)
	return inner
}

type stateKey struct{}

// withTLS gives requests the state of TLS, as net/http does.
func withTLS(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.TLS, _ = r.Context().Value(stateKey{}).(*tls.ConnectionState)
		h.ServeHTTP(w, r)
	})
}

// serve returns when the connection has ended.
func serve(s *http.Server, c *conn) {
	l := &single{conn: c, ended: make(chan struct{})}
	_ = s.Serve(l) // that there is no second connection, or a shutdown
	if l.taken {
		<-c.closed
	}
}

// A single is the listener of one connection.
type single struct {
	conn  *conn
	taken bool
	once  sync.Once
	ended chan struct{}
}

func (l *single) Accept() (net.Conn, error) {
	if !l.taken {
		l.taken = true
		return l.conn, nil
	}
	select {
	case <-l.conn.closed:
	case <-l.ended:
	}
	return nil, io.EOF
}

func (l *single) Close() error {
	l.once.Do(func() { close(l.ended) })
	return nil
}

func (l *single) Addr() net.Addr { return l.conn.LocalAddr() }
