package e2e

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/regate/regate/e2e/testbed"
)

// A framer is a client of HTTP/2 that may send anything. Frames are gathered
// and sent together.
type framer struct {
	*http2.Framer
	conn   *tls.Conn
	out    bytes.Buffer
	host   string
	stream uint32
	ended  chan error // what the reading of answers ended with
}

func (s *site) dialFramer(t testing.TB, settings ...http2.Setting) *framer {
	t.Helper()
	conn, err := tls.Dial("tcp", s.gate.Host, &tls.Config{RootCAs: s.gate.CA.Pool(), NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(testbed.Patience))
	f := &framer{conn: conn, host: s.gate.Host, stream: 1, ended: make(chan error, 1)}
	f.Framer = http2.NewFramer(&f.out, nil)
	f.out.WriteString(http2.ClientPreface)
	_ = f.WriteSettings(settings...) // into the buffer, as are all
	go f.discard()
	return f
}

// discard reads answers as fast as they come, as somebody does who wants the
// server to go on.
func (f *framer) discard() {
	_, err := io.Copy(io.Discard, f.conn)
	f.ended <- err
}

// open begins a request on the next stream.
func (f *framer) open(method, path string, end, whole bool) uint32 {
	id := f.stream
	f.stream += 2
	_ = f.WriteHeaders(http2.HeadersFrameParam{
		StreamID:      id,
		BlockFragment: block(":method", method, ":scheme", "https", ":authority", f.host, ":path", path),
		EndStream:     end,
		EndHeaders:    whole,
	})
	return id
}

// block is a part of a header, of names and values in turn.
func block(all ...string) []byte {
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	for i := 0; i < len(all); i += 2 {
		_ = enc.WriteField(hpack.HeaderField{Name: all[i], Value: all[i+1]}) // into a buffer
	}
	return b.Bytes()
}

func (f *framer) flush() error {
	_, err := f.conn.Write(f.out.Bytes())
	f.out.Reset()
	return err
}

var http2Floods = []struct {
	name  string
	begin func(*framer)
	one   func(*framer)
	guard bool // it is the guard that ends it, not the server's own limits
}{
	{"pings", func(*framer) {}, func(f *framer) { _ = f.WritePing(false, [8]byte{}) }, true},
	{"settings", func(*framer) {}, func(f *framer) { _ = f.WriteSettings() }, true},
	{"rapid reset", func(*framer) {}, func(f *framer) {
		_ = f.WriteRSTStream(f.open("GET", "/v2/", true, true), http2.ErrCodeCancel)
	}, false}, // or the server has too many to begin, as with the next
	{"requests beyond the streams", func(*framer) {}, func(f *framer) { f.open("GET", "/v2/", true, true) }, false},
	{"empty continuations", func(f *framer) { f.open("GET", "/v2/", true, false) },
		func(f *framer) { _ = f.WriteContinuation(1, false, nil) }, true},
	{"a header without end", func(f *framer) { f.open("GET", "/v2/", true, false) },
		func(f *framer) { _ = f.WriteContinuation(1, false, block("a", string(make([]byte, 2000)))) }, false},
	{"empty data", func(f *framer) { f.open("POST", "/auth", false, true) },
		func(f *framer) { _ = f.WriteData(1, false, nil) }, false}, // or the answer to the request was first
}

// TestHTTP2Floods has one client after the other send what leads to nothing,
// without a pause, and sees that each is cut off and that others are served.
func TestHTTP2Floods(t *testing.T) {
	t.Parallel()
	s := startSite(t, modes[0], testbed.Registry2, engines{})
	other := s.gate.CA.HTTP()
	ended := 0
	for _, flood := range http2Floods {
		f := s.dialFramer(t)
		flood.begin(f)
		begun := time.Now()
		if err := f.flood(flood.one); errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begun) > testbed.Patience/3 {
			t.Errorf("%s: after %v, the connection ended with %v", flood.name, time.Since(begun), err)
		}
		if flood.guard {
			ended++
		}
		asked := time.Now()
		res, err := other.Get(s.gate.URL + "/v2/")
		if err != nil || res.StatusCode != http.StatusUnauthorized || time.Since(asked) > 2*time.Second {
			t.Fatalf("%s: another client was told %v, %v, after %v", flood.name, res, err, time.Since(asked))
		}
		_ = res.Body.Close()
	}
	if n := s.counted(t, `regate_connections_refused_total{listener="https",reason="http2_flood"}`); n < ended {
		t.Errorf("%d floods are counted, want %d at least", n, ended)
	}
}

// flood sends pieces until the connection ends.
func (f *framer) flood(one func(*framer)) error {
	for {
		for f.out.Len() < 8000 {
			one(f)
		}
		if err := f.flush(); err != nil {
			return err
		}
		select {
		case err := <-f.ended:
			return err
		default:
		}
	}
}

// TestHTTP2Stalls has a client ask on all streams and take no answer, on many
// connections.
func TestHTTP2Stalls(t *testing.T) {
	t.Parallel()
	s := startSite(t, modes[0], testbed.Registry2, engines{})
	before := s.peak(t)
	for range 20 {
		f := s.dialFramer(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		for range 100 {
			f.open("GET", "/v2/_catalog", true, true)
		}
		if err := f.flush(); err != nil {
			t.Fatal(err)
		}
	}
	asked := time.Now()
	if err := s.seedable(t); err != nil || time.Since(asked) > testbed.Patience/3 {
		t.Errorf("with 2000 stalled streams, after %v: %v", time.Since(asked), err)
	}
	if grown := s.peak(t) - before; grown > 96<<20 {
		t.Errorf("2000 stalled streams took %d MiB", grown>>20)
	}
}

// seedable logs in and pushes, as people do.
func (s *site) seedable(t *testing.T) error {
	crane := s.client(t, "crane")
	if err := crane.Login("admin", adminPassword); err != nil {
		return err
	}
	_, err := crane.Push("team/app", version)
	return err
}
