package proxyproto

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

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
