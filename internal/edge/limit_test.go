package edge

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/regate/regate/internal/oci"
)

// dial connects to a server of h, within a bubble where time is not real.
func dial(t *testing.T, h http.Handler) net.Conn {
	client, server := net.Pipe()
	l := &oneConn{server, make(chan struct{})}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close(); _ = client.Close() })
	return client
}

// oneConn is a listener that accepts once.
type oneConn struct {
	conn   net.Conn
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error   { close(l.closed); return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// readAll is a handler that wants the body.
func readAll(w http.ResponseWriter, r *http.Request) error {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%d bytes", len(b))
	return err
}

func ignore(w http.ResponseWriter, _ *http.Request) error {
	_, err := io.WriteString(w, "did not read")
	return err
}

var much = strings.Repeat("much ", 10_000)

func ignoreMuch(w http.ResponseWriter, _ *http.Request) error {
	_, err := io.WriteString(w, much)
	return err
}

func refuse(http.ResponseWriter, *http.Request) error { return oci.Errorf(oci.Denied, "no") }

var limitTests = []struct {
	name       string
	serve      func(http.ResponseWriter, *http.Request) error
	header     string
	pieces     int // of the body, each of size bytes, one in every pause
	size       int
	pause      time.Duration
	want       string // status and body
	wantWithin time.Duration
	wantClosed bool
}{{
	name:  "a form",
	serve: readAll, header: "Content-Length: 100", pieces: 1, size: 100,
	want: "200 100 bytes",
}, {
	name:  "slow, but fast enough",
	serve: readAll, header: "Content-Length: 40000", pieces: 20, size: 2000, pause: time.Second,
	want: "200 40000 bytes", wantWithin: 20 * time.Second,
}, {
	name:  "slow within the grace",
	serve: readAll, header: "Content-Length: 5", pieces: 5, size: 1, pause: 59 * time.Second,
	want: "200 5 bytes", wantWithin: 5 * time.Minute,
}, {
	name:  "one byte a minute",
	serve: readAll, header: "Content-Length: 1000", pieces: 20, size: 1, pause: 59 * time.Second,
	want:       `400 {"errors":[{"code":"UNSUPPORTED","message":"the body came too slowly"}]}`,
	wantWithin: 6 * time.Minute, wantClosed: true,
}, {
	name:  "one byte a minute in chunks",
	serve: readAll, header: "Transfer-Encoding: chunked", pieces: 20, size: 1, pause: 59 * time.Second,
	want:       `400 {"errors":[{"code":"UNSUPPORTED","message":"the body came too slowly"}]}`,
	wantWithin: 6 * time.Minute, wantClosed: true,
}, {
	name:  "nothing for a minute",
	serve: readAll, header: "Content-Length: 1000", pieces: 1, size: 500,
	want:       `400 {"errors":[{"code":"UNSUPPORTED","message":"the body came too slowly"}]}`,
	wantWithin: time.Minute, wantClosed: true,
}, {
	name:  "too large, and says so",
	serve: readAll, header: "Content-Length: 65537",
	want:       `413 {"errors":[{"code":"SIZE_INVALID","message":"the body is larger than 65536 bytes"}]}`,
	wantClosed: true,
}, {
	name:  "too large, and does not say so",
	serve: readAll, header: "Transfer-Encoding: chunked", pieces: 2, size: 40000,
	want:       `413 {"errors":[{"code":"SIZE_INVALID","message":"the body is larger than 65536 bytes"}]}`,
	wantClosed: true,
}, {
	name:  "one byte a minute that nobody reads",
	serve: ignore, header: "Content-Length: 1000", pieces: 20, size: 1, pause: 59 * time.Second,
	want:       "200 did not read",
	wantWithin: lingering, wantClosed: true,
}, {
	name:  "one byte a minute before an answer that does not fit into a buffer",
	serve: ignoreMuch, header: "Content-Length: 1000", pieces: 20, size: 1, pause: 59 * time.Second,
	want:       "200 " + much,
	wantWithin: 6 * time.Minute, wantClosed: true,
}, {
	name:  "one byte a minute after a refusal",
	serve: refuse, header: "Content-Length: 1000", pieces: 20, size: 1, pause: 59 * time.Second,
	want:       `403 {"errors":[{"code":"DENIED","message":"no"}]}`,
	wantWithin: lingering, wantClosed: true,
}}

func TestLimitBodies(t *testing.T) {
	for _, tt := range limitTests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := dial(t, Stack(Handler(tt.serve), LimitBodies(DefaultBodyLimits())))
				start := time.Now()
				var client sync.WaitGroup
				defer client.Wait()
				defer conn.Close() // at the latest then its writes fail
				client.Go(func() {
					_, _ = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: h\r\n%s\r\n\r\n", tt.header)
					for range tt.pieces {
						time.Sleep(tt.pause)
						if _, err := io.WriteString(conn, piece(tt.header, tt.size)); err != nil {
							return
						}
					}
				})
				in := bufio.NewReader(conn)
				res, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(res.Body)
				if err != nil {
					t.Fatal(err)
				}
				if got := fmt.Sprintf("%d %s", res.StatusCode, body); got != tt.want {
					t.Errorf("answer %.200s, want %.200s", got, tt.want)
				}
				if took := time.Since(start); took > tt.wantWithin {
					t.Errorf("took %v, want at most %v", took, tt.wantWithin)
				}
				if tt.wantClosed {
					if _, err := in.ReadByte(); err != io.EOF {
						t.Errorf("the connection is still open: %v", err)
					}
				}
			})
		})
	}
}

func piece(header string, size int) string {
	text := strings.Repeat("x", size)
	if strings.HasPrefix(header, "Transfer-Encoding") {
		return fmt.Sprintf("%x\r\n%s\r\n", size, text)
	}
	return text
}

// TestDeadlineEndsWithTheBody has a handler that takes longer, when all of the
// body is there, than a body may take.
func TestDeadlineEndsWithTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(w http.ResponseWriter, r *http.Request) error {
			if _, err := io.ReadAll(r.Body); err != nil {
				return err
			}
			select {
			case <-r.Context().Done():
				return r.Context().Err()
			case <-time.After(time.Hour):
				return ignore(w, r)
			}
		}
		conn := dial(t, Stack(Handler(slow), LimitBodies(DefaultBodyLimits())))
		go func() { _, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx") }()
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("answer %+v, %v", res, err)
		}
	})
}
