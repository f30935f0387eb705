//go:build bench

package bench

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// A conn is a client with one connection, which speaks HTTP/1.1 over TLS 1.3
// with as little effort as it can, and knows when it lasts too long.
type conn struct {
	*tls.Conn
	r   *bufio.Reader
	buf []byte
}

// anything is a status that whoever asks looks at.
const anything = 0

// patience bounds one exchange, however large.
const patience = 3 * time.Minute

func (b *bench) dial(t testing.TB, s *server) *conn {
	t.Helper()
	raw, err := net.Dial("tcp", cmp.Or(s.at, s.host))
	if err != nil {
		t.Fatal(err)
	}
	c := tls.Client(raw, b.tls)
	if err := c.Handshake(); err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	return &conn{Conn: c, r: bufio.NewReaderSize(c, 64<<10), buf: make([]byte, 256<<10)}
}

// header is the head of a request by the client that the gate knows.
func (b *bench) header(method, target string, s *server, more string) []byte {
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nAuthorization: Bearer %s\r\n%s\r\n",
		method, target, s.host, b.bearer, more)
}

// ask sends a request without a body, or with one that is in it, and returns
// the answer, whose body has been read.
func (c *conn) ask(t testing.TB, request []byte, want int) *http.Response {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write(request); err != nil {
		t.Fatal(err)
	}
	return c.answer(t, request, want)
}

func (c *conn) answer(t testing.TB, request []byte, want int) *http.Response {
	t.Helper()
	line, _, _ := bytes.Cut(request, []byte("\r\n"))
	method, _, _ := bytes.Cut(line, []byte(" "))
	res, err := http.ReadResponse(c.r, &http.Request{Method: string(method)})
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	n, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{res.Body}, c.buf)
	if err != nil || want != anything && res.StatusCode != want || res.ContentLength >= 0 && n != res.ContentLength {
		t.Fatalf("%s: %s, %d of %d bytes, %v; want status %d", line, res.Status, n, res.ContentLength, err, want)
	}
	return res
}

// send sends the header and then size bytes, in chunks if chunked, as
// http.Transport would.
func (c *conn) send(t testing.TB, header []byte, size int64, chunked bool) {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(patience))
	w := bufio.NewWriterSize(c, 64<<10)
	_, _ = w.Write(header) // an error stays for Flush
	for left := size; left > 0; {
		n := min(left, 32<<10)
		if chunked {
			_, _ = fmt.Fprintf(w, "%x\r\n", n)
		}
		_, _ = w.Write(content[:n])
		if chunked {
			_, _ = w.WriteString("\r\n")
		}
		left -= n
	}
	if chunked {
		_, _ = w.WriteString("0\r\n\r\n")
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
}
