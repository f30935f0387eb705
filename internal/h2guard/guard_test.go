package h2guard

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const patience = 20 * time.Second

// A served is a server under guard.
type served struct {
	addr    string
	floods  atomic.Int64
	clients *tls.Config
}

type contextKey struct{}

func startServer(t *testing.T, h http.Handler) *served {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &served{addr: l.Addr().String(), clients: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}}
	server := &http.Server{
		Handler:   h,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate(t)}, NextProtos: []string{"h2", "http/1.1"}},
		ErrorLog:  log.New(io.Discard, "", 0),
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, contextKey{}, "kept")
		},
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 100},
	}
	Configure(server, func(net.Conn) { s.floods.Add(1) })
	go func() { _ = server.ServeTLS(l, "", "") }() // until Close
	t.Cleanup(func() { _ = server.Close() })
	return s
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// A sender gathers frames, which may be any, and sends them together.
type sender struct {
	*http2.Framer
	conn   *tls.Conn
	out    bytes.Buffer
	stream uint32
}

func (s *served) dial(t *testing.T) *sender {
	t.Helper()
	conn, err := tls.Dial("tcp", s.addr, s.clients)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	f := &sender{conn: conn, stream: 1}
	f.Framer = http2.NewFramer(&f.out, nil)
	f.out.WriteString(http2.ClientPreface)
	_ = f.WriteSettings() // into the buffer, as are all
	return f
}

// open begins a request and returns its stream.
func (f *sender) open(method string, end, whole bool) uint32 {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, h := range [][2]string{{":method", method}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}} {
		_ = enc.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]})
	}
	id := f.stream
	f.stream += 2
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndStream: end, EndHeaders: whole})
	return id
}

func (f *sender) flush() error {
	_, err := f.conn.Write(f.out.Bytes())
	f.out.Reset()
	return err
}

// send sends pieces until the connection is ended, and reads all answers, as
// somebody does who wants the server to go on.
func (f *sender) send(one func(*sender)) (pieces int, err error) {
	end := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, f.conn)
		end <- err
	}()
	for {
		for range 100 {
			one(f)
			pieces++
		}
		if f.flush() != nil {
			return pieces, <-end
		}
		select {
		case err := <-end:
			return pieces, err
		default:
		}
	}
}

func post(f *sender)  { f.open("POST", false, true) }
func half(f *sender)  { f.open("GET", true, false) }
func first(*sender)   {}
func piece() []byte   { return make([]byte, 1) }
func header() []byte  { return []byte{0x82} } // :method GET, which is in HPACK's table
func get(f *sender)   { f.open("GET", true, true) }
func again(f *sender) { _ = f.WriteRSTStream(f.open("GET", true, true), http2.ErrCodeCancel) }

var floods = []struct {
	name   string
	begin  func(*sender)
	one    func(*sender)
	either bool // or the server ends it, which has too many handlers to start, or resets to send
}{
	{"pings", first, func(f *sender) { _ = f.WritePing(false, [8]byte{}) }, false},
	{"answers to pings", first, func(f *sender) { _ = f.WritePing(true, [8]byte{}) }, false},
	{"settings", first, func(f *sender) { _ = f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 65535}) }, false},
	{"priorities", first, func(f *sender) { _ = f.WritePriority(1, http2.PriorityParam{Weight: 7}) }, false},
	{"frames of no known type", first, func(f *sender) { _ = f.WriteRawFrame(0xbe, 0, 0, nil) }, false},
	{"windows", first, func(f *sender) { _ = f.WriteWindowUpdate(0, 1) }, false},
	{"empty data", post, func(f *sender) { _ = f.WriteData(1, false, nil) }, false},
	{"padding", post, func(f *sender) { _ = f.WriteDataPadded(1, false, nil, piece()) }, false},
	{"rapid reset", first, again, true},
	{"requests beyond the limit of streams", first, get, true},
	{"data after the end", get, func(f *sender) { _ = f.WriteData(1, false, piece()) }, false},
	{"ends after the end", get, func(f *sender) { _ = f.WriteData(1, true, nil) }, true},
	{"data byte by byte", post, func(f *sender) { _ = f.WriteData(1, false, piece()) }, false},
	{"empty continuations", half, func(f *sender) { _ = f.WriteContinuation(1, false, nil) }, false},
	{"small continuations", half, func(f *sender) { _ = f.WriteContinuation(1, false, header()) }, false},
}

// TestFloods has a client send what leads to nothing, and others be served.
func TestFloods(t *testing.T) {
	for _, flood := range floods {
		t.Run(flood.name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				<-r.Context().Done()
			}))
			f := s.dial(t)
			flood.begin(f)
			pieces, err := f.send(flood.one)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("still connected after %d pieces", pieces)
			}
			if n := s.floods.Load(); n != 1 && !flood.either {
				t.Fatalf("%d floods were seen, want 1; the connection ended with %v", n, err)
			}
		})
	}
}

// TestWorkIsNoFlood has Go's client do on one connection all that clients do,
// and much of it.
func TestWorkIsNoFlood(t *testing.T) {
	const size = 64 << 20
	s := startServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Context().Value(contextKey{}) != "kept" || r.TLS == nil || r.Proto != "HTTP/2.0" {
			http.Error(w, "not as without a guard", http.StatusTeapot)
			return
		}
		switch r.URL.Path {
		case "/large":
			for range size / (1 << 20) {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		case "/refused": // before the body has been read
			w.WriteHeader(http.StatusUnauthorized)
		case "/wait":
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		default:
			n, _ := io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, strings.Repeat("x", int(n%1000)))
		}
	}))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: s.clients, ForceAttemptHTTP2: true, DialTLSContext: once(t, s)}, Timeout: patience}
	ask := func(method, path string, body io.Reader, want int) {
		t.Helper()
		r, _ := http.NewRequestWithContext(t.Context(), method, "https://"+s.addr+path, body)
		res, err := client.Do(r)
		if err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		defer res.Body.Close()
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != want {
			t.Fatalf("%s %s: %s, %v; want %d", method, path, res.Status, err, want)
		}
	}
	for range 2000 {
		ask("GET", "/", nil, 200)
	}
	ask("GET", "/large", nil, 200)
	ask("PUT", "/", io.LimitReader(zeros{}, size), 200)
	for range 100 {
		ask("PUT", "/refused", io.LimitReader(zeros{}, 1<<20), 401)
	}
	for range 100 { // taken back, as by an impatient person
		ctx, cancel := context.WithCancel(t.Context())
		r, _ := http.NewRequestWithContext(ctx, "GET", "https://"+s.addr+"/wait", nil)
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		_ = res.Body.Close()
	}
	ask("GET", "/", nil, 200)
	if n := s.floods.Load(); n != 0 {
		t.Errorf("%d floods were seen", n)
	}
}

// once lets a client connect a single time, so that a connection that has been
// ended shows.
func once(t *testing.T, s *served) func(context.Context, string, string) (net.Conn, error) {
	var dialed atomic.Int64
	return func(context.Context, string, string) (net.Conn, error) {
		if dialed.Add(1) > 1 {
			t.Error("a second connection")
		}
		return tls.Dial("tcp", s.addr, s.clients)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
