package edge

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// countingListener counts the writes to its connections.
type countingListener struct {
	net.Listener
	writes *atomic.Int64
}

func (l countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countingConn{c, l.writes}, err
}

type countingConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

var gatherTests = []struct {
	name       string
	http2      bool
	most, less int64 // writes for a body of 64 records: at most, at least
}{
	{name: "HTTP/1.1", most: 64/4 + 20, less: 64 / 4},
	{name: "HTTP/2", http2: true, most: 1 << 20, less: 64},
}

func TestGather(t *testing.T) {
	for _, test := range gatherTests {
		t.Run(test.name, func(t *testing.T) {
			body := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
			var writes atomic.Int64
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				out := Gather(w, r)
				for p := body; len(p) > 0; {
					n, err := out.Write(p[:min(len(p), 100_000)]) // no multiple of a record
					if err != nil {
						t.Error(err)
						return
					}
					p = p[n:]
				}
			}))
			s.Listener = GatherListener(countingListener{s.Listener, &writes})
			s.Config.ConnContext = GatherContext
			s.EnableHTTP2 = test.http2
			s.StartTLS()
			defer s.Close()

			res, err := s.Client().Get(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			got, err := io.ReadAll(res.Body)
			if err != nil || !bytes.Equal(got, body) {
				t.Errorf("got %d bytes, %v; want the %d that were sent", len(got), err, len(body))
			}
			if n := writes.Load(); n > test.most || n < test.less {
				t.Errorf("%d writes, want %d to %d", n, test.less, test.most)
			}
		})
	}
}

// failingConn takes so many bytes and then fails once.
type failingConn struct {
	net.Conn
	room int
	got  bytes.Buffer
}

var errFull = errors.New("full")

func (c *failingConn) Write(p []byte) (int, error) {
	n, err := min(len(p), c.room), error(nil)
	if n < len(p) {
		err = errFull
		c.room = 1 << 30
	}
	c.got.Write(p[:n])
	return n, err
}

// What follows a record that was lost would be nonsense.
func TestGatherFailsForGood(t *testing.T) {
	below := &failingConn{room: 10}
	c := &gatherConn{Conn: below}
	c.hold()
	if n, err := c.Write([]byte("eleven char")); n != 11 || err != nil {
		t.Fatalf("Write while gathering = %d, %v; want 11, nil", n, err)
	}
	if err := c.release(); !errors.Is(err, errFull) {
		t.Fatalf("release() = %v, want %v", err, errFull)
	}
	if _, err := c.Write([]byte("more")); !errors.Is(err, errFull) {
		t.Errorf("Write after that = %v, want %v", err, errFull)
	}
	if got := below.got.String(); got != "eleven cha" {
		t.Errorf("%q was written, want what there was room for", got)
	}
}

func TestGatherNeedsItsListener(t *testing.T) {
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
	r = r.WithContext(GatherContext(r.Context(), tls.Client(nil, nil)))
	if got := Gather(w, r); got != io.Writer(w) {
		t.Errorf("Gather() = %T, want the writer itself", got)
	}
}
