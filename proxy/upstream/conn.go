package upstream

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"sync"
	"time"
)

// A dialer makes the connections to one upstream.
type dialer struct {
	unix    string // path of the socket, if it is one
	names   *names // of a host that is no address
	timeout time.Duration
	tls     *tls.Config
	trust   string // the key of the CAs that are trusted
}

func newDialer(u *url.URL, cfg Config) (*dialer, error) {
	d := &dialer{timeout: cfg.ConnectTimeout}
	if u.Scheme == "unix" {
		d.unix = u.Path
		return d, nil
	}
	if _, err := netip.ParseAddr(u.Hostname()); err != nil {
		d.names = &names{host: u.Hostname(), lookUp: lookUp}
	}
	var err error
	if u.Scheme == "https" {
		d.tls, err = cfg.TLS.load(u.Hostname())
	}
	return d, err
}

// plain connects without TLS.
func (d *dialer) plain(ctx context.Context, _, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	c, err := d.dial(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConnect, err)
	}
	return conn{c}, nil
}

// secure connects with TLS.
func (d *dialer) secure(ctx context.Context, _, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	raw, err := d.dial(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConnect, err)
	}
	c := tls.Client(raw, d.tls)
	if err := c.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("%w: %w", ErrConnect, trusts(err, d.trust))
	}
	return conn{c}, nil
}

func (d *dialer) dial(ctx context.Context, addr string) (net.Conn, error) {
	switch {
	case d.unix != "":
		return new(net.Dialer).DialContext(ctx, "unix", d.unix)
	case d.names == nil:
		return new(net.Dialer).DialContext(ctx, "tcp", addr)
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	return d.names.dial(ctx, port)
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
