package upstream

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/url"
	"sync"
	"time"
)

// A dialer makes the connections to one upstream.
type dialer struct {
	unix    string // path of the socket, if it is one
	timeout time.Duration
	tls     *tls.Config
}

func newDialer(u *url.URL, cfg Config) (*dialer, error) {
	d := &dialer{timeout: cfg.ConnectTimeout}
	switch u.Scheme {
	case "unix":
		d.unix = u.Path
	case "https":
		var err error
		if d.tls, err = cfg.TLS.load(u.Hostname()); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// plain connects without TLS.
func (d *dialer) plain(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := d.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return conn{c}, nil
}

// secure connects with TLS.
func (d *dialer) secure(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	raw, err := d.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c := tls.Client(raw, d.tls)
	if err := c.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return conn{c}, nil
}

func (d *dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.unix != "" {
		network, addr = "unix", d.unix
	}
	return (&net.Dialer{Timeout: d.timeout}).DialContext(ctx, network, addr)
}

// A conn takes bodies in large pieces. http.Transport copies them in steps of
// 32 KiB, each of which is a system call; a connection that can ReadFrom is
// left to do it by itself.
type conn struct{ net.Conn }

// pieceSize is how much of a body is written at once.
const pieceSize = 256 << 10

var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// ReadFrom implements io.ReaderFrom. Neither side may do the copying in its
// own way.
func (c conn) ReadFrom(r io.Reader) (int64, error) {
	buf := pieces.Get().(*[pieceSize]byte)
	defer pieces.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{c.Conn}, struct{ io.Reader }{r}, buf[:])
}
