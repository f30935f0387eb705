package proxyproto

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var balancer = &net.TCPAddr{IP: net.IPv4(10, 0, 0, 9), Port: 4711}

// A street is a listener whose connections a test makes.
type street struct {
	conns chan net.Conn
	once  sync.Once
	over  chan struct{}
}

func newStreet() *street { return &street{conns: make(chan net.Conn), over: make(chan struct{})} }

func (s *street) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.over:
		return nil, net.ErrClosed
	}
}

func (s *street) Close() error {
	s.once.Do(func() { close(s.over) })
	return nil
}

func (s *street) Addr() net.Addr { return balancer }

// A peer is a connection that comes from the balancer, in memory.
type peer struct {
	net.Conn
	ended chan struct{}
	once  sync.Once
}

func (*peer) RemoteAddr() net.Addr { return balancer }

func (p *peer) Close() error {
	p.once.Do(func() { close(p.ended) })
	return p.Conn.Close()
}

// A rig is a listener with its balancer.
type rig struct {
	net.Listener
	street  *street
	mu      sync.Mutex // guards what follows
	held    int
	most    int // that may be held; 0 is any number
	refused []string
}

func newRig() *rig {
	r := &rig{street: newStreet()}
	r.Listener = Listen(r.street, Deps{
		Enter: func(c net.Conn) (func(), bool) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.most > 0 && r.held == r.most {
				_ = c.Close()
				return nil, false
			}
			r.held++
			return func() { r.mu.Lock(); defer r.mu.Unlock(); r.held-- }, true
		},
		Refused: func(reason string, c net.Conn) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.refused = append(r.refused, reason+" "+c.RemoteAddr().String())
		},
	})
	return r
}

// connect has the balancer connect.
func (r *rig) connect() (balancers net.Conn, ours *peer) {
	near, far := net.Pipe()
	ours = &peer{Conn: near, ended: make(chan struct{})}
	r.street.conns <- ours
	return far, ours
}

// told is what was refused.
func (r *rig) told() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.refused)
}

// end closes the listener and sees that nothing is left of it.
func (r *rig) end(t *testing.T) {
	t.Helper()
	_ = r.Listener.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held != 0 {
		t.Errorf("%d connections are still counted in", r.held)
	}
}

const v2 = "\r\n\r\n\x00\r\nQUIT\n"

var (
	v4Addrs = "\xc0\x00\x02\x07" + "\x0a\x00\x00\x01" + "\x12\x34" + "\x01\xbb"
	v6Addrs = "\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x07" + strings.Repeat("\x00", 15) + "\x01" + "\x12\x34" + "\x01\xbb"
	local   = v2 + "\x20\x00\x00\x00"
	viaV4   = v2 + "\x21\x11\x00\x0c" + v4Addrs
	viaV6   = v2 + "\x21\x21\x00\x24" + v6Addrs
	noop    = "\x04\x00\x05extra" // PP2_TYPE_NOOP
)

// headerTests are what a balancer sends before "hello", and what becomes of it:
// the address of the client, "refused", or "closed" if nothing is said of it.
var headerTests = []struct {
	name, header, want string
}{
	{"v1, IPv4", "PROXY TCP4 192.0.2.7 10.0.0.1 4660 443\r\n", "192.0.2.7:4660"},
	{"v1, IPv6", "PROXY TCP6 2001:db8::7 ::1 4660 443\r\n", "[2001:db8::7]:4660"},
	{"v1, nobody knows whom", "PROXY UNKNOWN\r\n", "unknown"},
	{"v1, nobody knows whom, at length", "PROXY UNKNOWN 192.0.2.7 10.0.0.1 4660 443\r\n", "unknown"},
	{"v2, IPv4", viaV4, "192.0.2.7:4660"},
	{"v2, IPv6", viaV6, "[2001:db8::7]:4660"},
	{"v2, with more", v2 + "\x21\x11\x00\x14" + v4Addrs + noop, "192.0.2.7:4660"},
	{"v2, with as much as is read", v2 + "\x21\x11\x10\x00" + v4Addrs + "\x04\x0f\xf1" + strings.Repeat("x", 4096-12-3), "192.0.2.7:4660"},
	{"v2, the balancer itself", local, "10.0.0.9:4711"},
	{"v2, the balancer itself, with addresses", v2 + "\x20\x11\x00\x0c" + v4Addrs, "10.0.0.9:4711"},

	{"none", "", "refused"},
	{"HTTP", "GET / HTTP/1.1\r\n\r\n", "refused"},
	{"TLS", "\x16\x03\x01\x02\x00\x01", "refused"},
	{"v1, no end", "PROXY TCP4 192.0.2.7 10.0.0.1 4660 443", "refused"},
	{"v1, too long", "PROXY UNKNOWN " + strings.Repeat("x", 107) + "\r\n", "refused"},
	{"v1, no CR", "PROXY TCP4 192.0.2.7 10.0.0.1 4660 443\n", "refused"},
	{"v1, another signature", "PROXX TCP4 192.0.2.7 10.0.0.1 4660 443\r\n", "refused"},
	{"v1, a word for the address", "PROXY TCP4 localhost 10.0.0.1 4660 443\r\n", "refused"},
	{"v1, a zone", "PROXY TCP6 fe80::1%eth0 ::1 4660 443\r\n", "refused"},
	{"v1, the other family", "PROXY TCP4 2001:db8::7 ::1 4660 443\r\n", "refused"},
	{"v1, a port too high", "PROXY TCP4 192.0.2.7 10.0.0.1 65536 443\r\n", "refused"},
	{"v1, more", "PROXY TCP4 192.0.2.7 10.0.0.1 4660 443 1\r\n", "refused"},
	{"v2, another signature", strings.Replace(viaV4, "QUIT", "QUIX", 1), "refused"},
	{"v2, another version", strings.Replace(viaV4, "\x21\x11", "\x31\x11", 1), "refused"},
	{"v2, another command", strings.Replace(viaV4, "\x21\x11", "\x22\x11", 1), "refused"},
	{"v2, UDP", strings.Replace(viaV4, "\x21\x11", "\x21\x12", 1), "refused"},
	{"v2, a Unix socket", v2 + "\x21\x31\x00\xd8" + strings.Repeat("a\x00", 108), "refused"},
	{"v2, no address", v2 + "\x21\x00\x00\x00", "refused"},
	{"v2, too short for its address", v2 + "\x21\x11\x00\x0b" + v4Addrs, "refused"},
	{"v2, longer than is read", v2 + "\x21\x11\x10\x01" + v4Addrs + strings.Repeat("\x04\x00\x00", 1400), "refused"},
	{"v2, 64 KiB", v2 + "\x21\x11\xff\xff" + v4Addrs, "refused"},
	{"v2, 64 KiB of the balancer itself", v2 + "\x20\x00\xff\xff" + v4Addrs, "refused"},
}

func TestHeaders(t *testing.T) {
	for _, tt := range headerTests {
		for _, how := range []string{"together", "apart"} {
			t.Run(tt.name+", "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { checkHeader(t, tt.header, tt.want, how == "apart") })
			})
		}
	}
}

// checkHeader sends a header, together with what follows or apart from it.
func checkHeader(t *testing.T, header, want string, apart bool) {
	r := newRig()
	defer r.end(t)
	go func() {
		c, _ := r.connect()
		if apart {
			_, _ = io.WriteString(c, header)
			header = ""
		}
		_, _ = io.WriteString(c, header+"hello")
		_ = c.Close()
	}()
	late := time.AfterFunc(2*patience, func() { _ = r.Listener.Close() })
	defer late.Stop()
	c, err := r.Accept()
	if want == "refused" {
		if got := r.told(); err == nil || len(got) != 1 || got[0] != "proxy_header 10.0.0.9:4711" {
			t.Errorf("accepted: %v (%v), refused: %q", c, err, got)
		}
		return
	}
	if err != nil {
		t.Fatalf("%v, refused: %q", err, r.told())
	}
	rest, err := io.ReadAll(c)
	if got := c.RemoteAddr().String(); got != want || string(rest) != "hello" || err != nil {
		t.Errorf("client %s sent %q, %v; want %s", got, rest, err, want)
	}
	_ = c.Close()
}

// TestSilence has balancers that look whether anybody is there, and one that
// says nothing: only of that one is anything told, and nobody waits for it.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		defer r.end(t)
		began := time.Now()
		var silent *peer
		go func() {
			_, silent = r.connect()
			for range 20 {
				c, _ := r.connect()
				_ = c.Close()
			}
			c, _ := r.connect()
			_, _ = io.WriteString(c, viaV4)
		}()
		c, err := r.Accept()
		if err != nil || time.Since(began) > 0 {
			t.Fatalf("Accept() = %v after %v", err, time.Since(began))
		}
		if got := c.RemoteAddr().String(); got != "192.0.2.7:4660" {
			t.Errorf("client %s", got)
		}
		<-silent.ended
		if took := time.Since(began); took != patience {
			t.Errorf("waited %v for a header, want %v", took, patience)
		}
		synctest.Wait()
		if got := r.told(); len(got) != 1 {
			t.Errorf("refused: %q, want one", got)
		}
		_ = c.Close()
	})
}

// TestDrip sends headers byte by byte: a whole one has all the time that there
// is, and no more.
func TestDrip(t *testing.T) {
	for pace, want := range map[time.Duration]bool{10 * time.Millisecond: true, patience / 10: false} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig()
			defer r.end(t)
			var drip sync.WaitGroup
			defer drip.Wait()
			drip.Go(func() {
				c, ours := r.connect()
				for i := range viaV4 {
					if _, err := io.WriteString(c, viaV4[i:i+1]); err != nil {
						break
					}
					time.Sleep(pace)
				}
				<-ours.ended
				_ = r.Listener.Close()
			})
			began := time.Now()
			c, err := r.Accept()
			if got := err == nil; got != want {
				t.Errorf("a byte each %v: accepted %v, want %v", pace, got, want)
			}
			if err == nil {
				_ = c.Close()
			} else if len(r.told()) != 1 || time.Since(began) > patience+pace {
				t.Errorf("refused: %q after %v", r.told(), time.Since(began))
			}
		})
	}
}

// TestDeadlineIsTakenBack: once there is a header, the client has its own time.
func TestDeadlineIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		defer r.end(t)
		go func() {
			c, _ := r.connect()
			_, _ = io.WriteString(c, local)
			time.Sleep(10 * patience)
			_, _ = io.WriteString(c, "late")
		}()
		c, err := r.Accept()
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 4)
		if n, err := io.ReadFull(c, buf); err != nil {
			t.Errorf("Read() = %d, %v", n, err)
		}
		_ = c.Close()
	})
}

// TestOnlySoManyWait: whoever counts them in decides.
func TestOnlySoManyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.most = 3
		defer r.end(t)
		over := make(chan error, 1)
		go func() {
			_, err := r.Accept()
			over <- err
		}()
		closed := 0
		for range 10 {
			_, ours := r.connect()
			synctest.Wait()
			select {
			case <-ours.ended:
				closed++
			default:
			}
		}
		if closed != 7 {
			t.Errorf("%d of 10 closed, want 7", closed)
		}
		began := time.Now()
		_ = r.Listener.Close()
		if err := <-over; !errors.Is(err, net.ErrClosed) || time.Since(began) > 0 {
			t.Errorf("Accept() = %v after %v", err, time.Since(began))
		}
		if len(r.told()) != 0 {
			t.Errorf("what the end cut is told: %q", r.told())
		}
	})
}

func TestClosedBeforeItBegan(t *testing.T) {
	r := newRig()
	_ = r.Listener.Close()
	if _, err := r.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept() = %v", err)
	}
	if err := r.Listener.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the second Close() = %v", err)
	}
}

// A script is a connection that sends all it has, in pieces.
type script struct {
	net.Conn // nil: nothing else is asked of it
	text     *bytes.Reader
	piece    int
	closed   chan struct{}
}

func (s script) Read(p []byte) (int, error)      { return s.text.Read(p[:min(len(p), s.piece)]) }
func (s script) Close() error                    { close(s.closed); return nil }
func (s script) RemoteAddr() net.Addr            { return balancer }
func (s script) SetReadDeadline(time.Time) error { return nil }

// FuzzHeader sends anything: it is refused, or the client has an address and
// what follows its header comes through whole.
func FuzzHeader(f *testing.F) {
	for _, tt := range headerTests {
		f.Add([]byte(tt.header+"hello"), uint8(0))
		f.Add([]byte(tt.header+"hello"), uint8(200))
	}
	f.Fuzz(func(t *testing.T, text []byte, piece uint8) {
		r := newRig()
		defer r.end(t)
		sent := script{text: bytes.NewReader(text), piece: 1 + int(piece), closed: make(chan struct{})}
		client := make(chan net.Conn, 1)
		go func() {
			if c, err := r.Accept(); err == nil {
				client <- c
			}
		}()
		r.street.conns <- sent
		select {
		case c := <-client:
			checkClient(t, c, text)
		case <-sent.closed:
			if len(r.told()) != min(1, len(text)) {
				t.Errorf("refused: %q", r.told())
			}
		}
	})
}

func checkClient(t *testing.T, c net.Conn, sent []byte) {
	t.Helper()
	switch addr := c.RemoteAddr().(type) {
	case nobody:
	case *net.TCPAddr:
		if !addr.AddrPort().IsValid() {
			t.Errorf("client %v", addr)
		}
	default:
		t.Errorf("client %T", addr)
	}
	rest, err := io.ReadAll(c)
	if err != nil || !bytes.HasSuffix(sent, rest) || len(sent)-len(rest) < len("PROXY UNKNOWN\r\n") {
		t.Errorf("%q left of %q, %v", rest, sent, err)
	}
}
