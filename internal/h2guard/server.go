package h2guard

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"

	"golang.org/x/net/http2"
)

// Configure has s, which must not serve yet, speak HTTP/2 under guard. flooded
// is told of each connection that is ended for it; nil is nobody.
//
// The server is that of golang.org/x/net, from which the one in net/http is
// made: only there can something come between it and TLS.
func Configure(s *http.Server, flooded func(net.Conn)) error {
	inner := &http2.Server{}
	if err := http2.ConfigureServer(s, inner); err != nil {
		return err
	}
	if flooded == nil {
		flooded = func(net.Conn) {}
	}
	s.TLSNextProto[http2.NextProtoTLS] = func(s *http.Server, c *tls.Conn, h http.Handler) {
		opts := &http2.ServeConnOpts{BaseConfig: s, Handler: h}
		// This is how net/http passes on what ConnContext made.
		if from, ok := h.(interface{ BaseContext() context.Context }); ok {
			opts.Context = from.BaseContext()
		}
		inner.ServeConn(newConn(c, flooded), opts)
	}
	return nil
}
