package ldap

import (
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// message is an answer, with the number of a question.
func message(number int64, op ...byte) []byte {
	text := append([]byte{2, 1, byte(number)}, op...)
	n := len(text)
	return append([]byte{0x30, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, text...)
}

// done is a result without an error, of the operation that has this tag.
func done(tag byte) []byte { return []byte{tag, 7, 10, 1, 0, 4, 0, 4, 0} }

const (
	bindDone   = 0x61
	searchDone = 0x65
)

// startHostile is a server that lets everybody bind, and whose answer to a
// search is up to the test.
func startHostile(t *testing.T, answer func(c net.Conn, number int64)) (addr string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go beHostile(c, answer)
		}
	}()
	return l.Addr().String()
}

func beHostile(c net.Conn, answer func(net.Conn, int64)) {
	defer c.Close()
	for {
		asked, err := ber.ReadPacket(c)
		if err != nil || len(asked.Children) < 2 {
			return
		}
		number, _ := asked.Children[0].Value.(int64)
		if asked.Children[1].Tag == ldap.ApplicationBindRequest {
			_, _ = c.Write(message(number, done(bindDone)...))
			continue
		}
		answer(c, number)
	}
}

// always writes the same again and again, until nobody reads it.
func always(text []byte) func(net.Conn, int64) {
	return func(c net.Conn, _ int64) {
		for err := error(nil); err == nil; {
			_, err = c.Write(text)
		}
	}
}

// once writes it once, and keeps the connection.
func once(make func(number int64) []byte) func(net.Conn, int64) {
	return func(c net.Conn, number int64) { _, _ = c.Write(make(number)) }
}

func bytesOf(n int, text string) []byte { return bytes.Repeat([]byte(text), n/len(text)) }

var hostileTests = []struct {
	name   string
	answer func(net.Conn, int64)
	want   string
}{
	{"a byte now and then", func(c net.Conn, _ int64) {
		for err := error(nil); err == nil; time.Sleep(10 * time.Millisecond) {
			_, err = c.Write([]byte{0x30, 0x84, 0, 0, 0, 0}[:1])
		}
	}, "no answer in time"},
	{"a part in each two bytes", once(func(n int64) []byte { return message(n, bytesOf(maxAnswer/2, "\x05\x00")...) }), errTooFine.Error()},
	{"parts in parts", once(func(n int64) []byte { return message(n, bytesOf(1<<20, "\x30\x80")...) }), errEndless.Error()},
	{"parts in parts that end", once(func(n int64) []byte { return message(n, nested(5_000)...) }), "nesting depth"},
	{"a part that is longer than the whole", once(func(n int64) []byte { return message(n, 0x65, 0x84, 0, 0x3f, 0xff, 0xff) }), ""},
	{"endless references", always(message(2, 0x73, 6, 4, 4, 'l', 'd', 'a', 'p')), ""},
	{"endless entries", always(message(2, 0x64, 4, 4, 0, 0x30, 0)), ""},
	{"endless answers to nobody", always(message(99, 0x04, 0x83, 0x0f, 0x00, 0x00)), ""},
	{"endless bytes", always(message(99, append([]byte{4, 0x83, 0x10, 0, 0}, make([]byte, 1<<20)...)...)), ""},
	{"an answer to something else", once(func(n int64) []byte { return message(n, done(bindDone)...) }), "no answer in time"},
	{"no operation", once(func(n int64) []byte { return message(n) }), ""},
	{"an operation without contents", once(func(n int64) []byte { return message(n, 0x65, 0) }), ""},
	{"a result that is text", once(func(n int64) []byte { return message(n, 0x65, 7, 4, 1, 'x', 4, 0, 4, 0) }), ""},
	{"an entry without attributes", once(func(n int64) []byte { return message(n, 0x64, 2, 4, 0) }), ""},
	{"an entry whose attributes are text", once(func(n int64) []byte { return message(n, 0x64, 5, 4, 0, 4, 1, 'x') }), "no answer in time"},
}

// nested are sequences in each other, with their lengths.
func nested(depth int) (text []byte) {
	for range depth {
		n := len(text)
		text = append([]byte{0x30, 0x83, byte(n >> 16), byte(n >> 8), byte(n)}, text...)
	}
	return text
}

// TestHostileServer: nothing that a server sends refuses or lets in anybody, or
// takes more memory or time than a login may.
func TestHostileServer(t *testing.T) {
	for _, tt := range hostileTests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := configOf(t)
			cfg.Addr, cfg.Timeout = startHostile(t, tt.answer), 500*time.Millisecond
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			id, err := login(t.Context(), open(t, cfg), "alice", secretOf("alice"))
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if err == nil || refused(err) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Authenticate() = %+v, %v; want %q", id, err, tt.want)
			}
			if took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
			if mib := (after.TotalAlloc - before.TotalAlloc) >> 20; mib > 250 {
				t.Errorf("it took %d MiB", mib)
			}
		})
	}
}

// readConn is a connection of which there is only what comes in.
type readConn struct {
	net.Conn
	io.Reader
}

func (c readConn) Read(p []byte) (int, error) { return c.Reader.Read(p) }

// TestLineIsBounded until it is refilled.
func TestLineIsBounded(t *testing.T) {
	long := append([]byte{4, 0x83, 0x0f, 0xff, 0xfb}, make([]byte, 0x0ffffb)...) // 1 MiB
	for _, tt := range []struct {
		part []byte
		want error
	}{{long, errTooLong}, {[]byte{5, 0}, errTooFine}} {
		l := newLine(readConn{Reader: bytes.NewReader(bytes.Repeat(tt.part, 3*maxAnswer/len(tt.part)))}, nil)
		for range 2 {
			n, err := io.Copy(io.Discard, struct{ io.Reader }{l})
			if !errors.Is(err, tt.want) || n < maxElements || n > maxAnswer+64<<10 {
				t.Errorf("after %d bytes: %v, want %v", n, err, tt.want)
			}
			l.refill()
		}
	}
}

// TestStartTLSReadsNoFurther: what somebody on the way has put behind the answer
// to StartTLS is not taken for the directory's own.
func TestStartTLSReadsNoFurther(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = ber.ReadPacket(c)
			_, _ = c.Write(message(1, done(0x78)...))
			_, _ = c.Write(message(1, done(bindDone)...))
			_, _ = c.Write(message(2, done(searchDone)...))
			_ = c.(*net.TCPConn).CloseWrite()
		}
	}()
	_, ca := certificate(t)
	cfg := configOf(t)
	cfg.Addr, cfg.TLS, cfg.CACertificate = l.Addr().String(), tlsStart, ca
	if _, err := login(t.Context(), open(t, cfg), "alice", secretOf("alice")); err == nil || refused(err) || !strings.Contains(err.Error(), "TLS") && !strings.Contains(err.Error(), "tls") {
		t.Errorf("Authenticate() = %v", err)
	}
}
