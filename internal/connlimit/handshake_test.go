package connlimit

import (
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
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const patience = 20 * time.Second

// A served is a server of HTTPS behind a Limiter.
type served struct {
	*Limiter
	addr    string
	refused sync.Map // reason: *atomic.Int64
}

func (s *served) count(reason string) int64 {
	if n, ok := s.refused.Load(reason); ok {
		return n.(*atomic.Int64).Load()
	}
	return 0
}

// serve starts one. change may change what the server shows.
func serve(t *testing.T, limits Limits, change func(*tls.Config)) *served {
	t.Helper()
	s := &served{}
	s.Limiter = New(limits, Deps{Refused: func(reason string) {
		n, _ := s.refused.LoadOrStore(reason, new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
	}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	cfg := &tls.Config{Certificates: []tls.Certificate{certificate(t)}, NextProtos: []string{"h2", "http/1.1"}}
	if change != nil {
		change(cfg)
	}
	server := &http.Server{
		TLSConfig: s.TLSConfig(cfg),
		Handler:   http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }),
		ErrorLog:  log.New(io.Discard, "", 0),
	}
	go func() { _ = server.Serve(tls.NewListener(s.Listener(l), server.TLSConfig)) }() // until Close
	t.Cleanup(func() {
		_ = server.Close()
		s.idle(t)
	})
	return s
}

// idle waits until nobody is there, and sees that nothing is left of them.
func (s *served) idle(t *testing.T) {
	t.Helper()
	eventually(t, "an empty limiter", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.open == 0 && s.handshakes == 0 && len(s.crowds) == 0 && len(s.slots) == 0
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	late := time.After(patience)
	for look := time.Tick(time.Millisecond); !ok(); {
		select {
		case <-look: // and whoever is waited for has the processor
		case <-late:
			t.Fatalf("no %s in %v", what, patience)
		}
	}
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"gate.test"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// try connects from an address of 127.0.0.0/8. A reset may come before it has.
func (s *served) try(t *testing.T, from string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", s.addr)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, c.SetDeadline(time.Now().Add(patience))
}

func (s *served) dial(t *testing.T, from string) net.Conn {
	t.Helper()
	c, err := s.try(t, from)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func client(c net.Conn, change func(*tls.Config)) *tls.Conn {
	cfg := &tls.Config{InsecureSkipVerify: true, ServerName: "gate.test"}
	if change != nil {
		change(cfg)
	}
	return tls.Client(c, cfg)
}

// TestHandshakesAreCountedOut makes every kind of handshake there is, half ones
// too; the cleanup of serve sees that all were counted out.
func TestHandshakesAreCountedOut(t *testing.T) {
	for name, change := range map[string]func(*tls.Config){
		"TLS 1.3": nil,
		"TLS 1.2": func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 },
		"a second hello": func(c *tls.Config) { // RFC 8446 4.1.4
			c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP521}
		},
		"a client certificate": func(c *tls.Config) { c.Certificates = []tls.Certificate{certificate(t)} },
		"HTTP/2":               func(c *tls.Config) { c.NextProtos = []string{"h2"} },
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, Limits{Handshakes: 2}, func(c *tls.Config) {
				c.CurvePreferences = []tls.CurveID{tls.CurveP521}
				c.ClientAuth = tls.RequestClientCert
			})
			if name != "a second hello" {
				s = serve(t, Limits{Handshakes: 2}, func(c *tls.Config) { c.ClientAuth = tls.RequestClientCert })
			}
			c := client(s.dial(t, "127.0.0.1"), change)
			if err := c.Handshake(); err != nil {
				t.Fatal(err)
			}
			if c.ConnectionState().NegotiatedProtocol == "h2" {
				return
			}
			for range 3 {
				if got := ask(t, c); got != "ok" {
					t.Errorf("GET / = %q", got)
				}
			}
		})
	}
	t.Run("half ones", func(t *testing.T) {
		hello := helloOf(t)
		s := serve(t, Limits{Handshakes: 2 * len(hello)}, nil) // all may wait at once, on a busy machine
		for n := 0; n <= len(hello); n += 23 {
			c := s.dial(t, "127.0.0.1")
			if _, err := c.Write(hello[:n]); err != nil {
				t.Fatal(err)
			}
			_ = c.Close()
		}
		c := s.dial(t, "127.0.0.1")
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if got, _ := io.ReadAll(c); len(got) == 0 {
			t.Error("plain HTTP is not told that this is HTTPS")
		}
	})
}

func ask(t *testing.T, c net.Conn) string {
	t.Helper()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: gate.test\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	var all []byte
	for buf := make([]byte, 1); len(all) < 2 || string(all[len(all)-2:]) != "ok" || len(all) < 40; {
		if _, err := io.ReadFull(c, buf); err != nil {
			t.Fatal(err)
		}
		all = append(all, buf...)
	}
	return string(all[len(all)-2:])
}

// helloOf is a ClientHello as it is sent.
func helloOf(t *testing.T) []byte {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	go func() { _ = client(far, nil).Handshake() }() // which ends with the pipe
	header := make([]byte, 5)
	if _, err := io.ReadFull(near, header); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, int(header[3])<<8|int(header[4]))
	if _, err := io.ReadFull(near, body); err != nil {
		t.Fatal(err)
	}
	return append(header, body...)
}

// TestStalledHandshakes has strangers hold many handshakes in every state that
// they can, and somebody of their own network get in all the same.
func TestStalledHandshakes(t *testing.T) {
	s := serve(t, Limits{Handshakes: 20}, nil)
	hello := helloOf(t)
	for i := range 100 {
		c := s.dial(t, "127.0.0.1")
		if _, err := c.Write(hello[:len(hello)*(i%3)/2]); err != nil { // nothing, half, all
			t.Fatal(err)
		}
		if i%3 == 2 {
			if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
				t.Fatalf("no answer to hello %d: %v", i, err)
			}
		}
	}
	c := client(s.dial(t, "127.0.0.1"), nil)
	if err := c.Handshake(); err != nil {
		t.Errorf("with 100 stalled handshakes: %v", err)
	}
}

// TestHandshakesTakeTurns has a processor be very slow: handshakes wait, those
// of one network up to half of what may, and others have the rest.
func TestHandshakesTakeTurns(t *testing.T) {
	const limit = 10
	slow := make(chan struct{})
	var at atomic.Int64
	s := serve(t, Limits{Handshakes: limit}, func(c *tls.Config) {
		chosen := &c.Certificates[0]
		c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			at.Add(1)
			<-slow
			at.Add(-1)
			return chosen, nil
		}
		c.Certificates = nil
	})
	var done sync.WaitGroup
	shake := func(from string, n int) *atomic.Int64 {
		good := new(atomic.Int64)
		for range n {
			done.Go(func() {
				c, err := s.try(t, from)
				if err == nil && client(c, nil).Handshake() == nil {
					good.Add(1)
				}
			})
		}
		return good
	}
	flood := shake("127.0.0.1", 20)
	eventually(t, "a full share", func() bool { return s.count(Handshakes) == 15 })
	others := shake("127.0.1.1", 5)
	eventually(t, "all waiting", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.handshakes == limit
	})
	if n := int(at.Load()); n > cap(s.slots) {
		t.Errorf("%d handshakes compute at once, want %d at most", n, cap(s.slots))
	}
	close(slow)
	done.Wait()
	if flood.Load() != 5 || others.Load() != 5 {
		t.Errorf("%d of the flood and %d others got in, want 5 and 5", flood.Load(), others.Load())
	}
}

// TestBeyondTheLimitIsReset sees that who is refused is told at once, that who
// is connected goes on, and that there is room when somebody leaves.
func TestBeyondTheLimitIsReset(t *testing.T) {
	s := serve(t, Limits{Connections: 2}, nil)
	first := client(s.dial(t, "127.0.0.1"), nil)
	second := client(s.dial(t, "127.0.0.1"), nil)
	ask(t, first)
	ask(t, second)
	third, err := s.try(t, "127.0.0.1")
	if err == nil {
		_, err = third.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the third reads %v, want a reset", err)
	}
	if n := s.count(Total); n != 1 {
		t.Errorf("%d refused, want 1", n)
	}
	ask(t, first)
	_ = second.Close()
	eventually(t, "room", func() bool { return s.Open() == 1 })
	ask(t, client(s.dial(t, "127.0.0.1"), nil))
}

// BenchmarkIdleConn is what the limits cost a read of a connection that is in.
func BenchmarkIdleConn(b *testing.B) {
	l := New(Limits{Handshakes: 2}, Deps{})
	near, far := net.Pipe()
	defer near.Close()
	_ = far.Close() // so that a read returns at once
	c := l.conn(near, crowds{})
	c.settle()
	buf := make([]byte, 1)
	for b.Loop() {
		_, _ = c.Read(buf)
	}
}
