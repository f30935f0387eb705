package edge

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
)

// crypto/tls writes each of its records, of 16 KiB at most, with a system call
// of its own. Several records to a call save a tenth of all that a large blob
// costs, so connections can be told to gather them.

// gatherSize is four records with their headers and tags: what fits in the
// largest packet that the kernel hands around.
const gatherSize = 4 * (16<<10 + 32)

var gatherBuffers = sync.Pool{New: func() any { return new([gatherSize]byte) }}

// GatherListener returns l with connections that can gather what TLS writes.
// TLS is to be put around it, and GatherContext to be the server's ConnContext.
func GatherListener(l net.Listener) net.Listener { return gatherListener{l} }

type gatherListener struct{ net.Listener }

func (l gatherListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &gatherConn{Conn: c}, nil
}

type gatherKey struct{}

// GatherContext remembers, for Gather, the connection below a TLS connection.
func GatherContext(ctx context.Context, c net.Conn) context.Context {
	if secure, ok := c.(interface{ NetConn() net.Conn }); ok {
		if g, ok := secure.NetConn().(*gatherConn); ok {
			return context.WithValue(ctx, gatherKey{}, g)
		}
	}
	return ctx
}

// Gather returns w, or a writer to w for large pieces of a body, which gathers
// the records of each. On HTTP/2, others write to the same connection, and it
// is w.
func Gather(w http.ResponseWriter, r *http.Request) io.Writer {
	c, ok := r.Context().Value(gatherKey{}).(*gatherConn)
	if !ok || r.ProtoMajor != 1 {
		return w
	}
	return gatherWriter{w, c}
}

type gatherWriter struct {
	w    io.Writer
	conn *gatherConn
}

func (g gatherWriter) Write(p []byte) (int, error) {
	g.conn.hold()
	n, err := g.w.Write(p)
	if failed := g.conn.release(); err == nil {
		err = failed
	}
	return n, err
}

// A gatherConn is written to by TLS. That may be on the goroutine of a read,
// too, which answers to an update of keys, hence the mutex.
type gatherConn struct {
	net.Conn

	mu   sync.Mutex        // guards what follows
	room *[gatherSize]byte // nil if nothing is gathered
	n    int               // bytes in it
	err  error             // of a write that TLS has not heard of; ends all others
}

// NetConn is the connection below, as tls.Conn has one.
func (c *gatherConn) NetConn() net.Conn { return c.Conn }

func (c *gatherConn) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.room = gatherBuffers.Get().(*[gatherSize]byte)
}

// release writes what was gathered. A record that TLS took for written may
// then not have been, so after an error nothing may follow.
func (c *gatherConn) release() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flush()
	gatherBuffers.Put(c.room)
	c.room = nil
	return c.err
}

func (c *gatherConn) flush() {
	if c.n > 0 && c.err == nil {
		_, c.err = c.Conn.Write(c.room[:c.n])
	}
	c.n = 0
}

func (c *gatherConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.room != nil && c.n+len(p) > gatherSize {
		c.flush()
	}
	switch {
	case c.err != nil:
		return 0, c.err
	case c.room == nil || len(p) > gatherSize:
		return c.Conn.Write(p)
	}
	c.n += copy(c.room[c.n:], p)
	return len(p), nil
}
