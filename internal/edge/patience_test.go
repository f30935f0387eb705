package edge

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/regate/regate/internal/oci"
)

// answers are handlers of the gate's own; all but tokens are small.
var answers = map[string]http.Handler{
	"refusal": Handler(func(http.ResponseWriter, *http.Request) error { return oci.Errorf(oci.NoSuchPath, "no such path") }),
	"small":   Handler(func(w http.ResponseWriter, _ *http.Request) error { _, err := io.WriteString(w, "ok"); return err }),
	"token": Impatient(Handler(func(w http.ResponseWriter, _ *http.Request) error {
		_, err := io.WriteString(w, strings.Repeat("t", 32<<10))
		return err
	})),
}

// TestUnreadAnswerEnds is a client that asks and never reads.
func TestUnreadAnswerEnds(t *testing.T) {
	for name, h := range answers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := dial(t, h)
				if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				time.Sleep(answerTime + time.Second)
				if _, err := io.WriteString(conn, "G"); !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("writing on after %v: %v, want a closed connection", answerTime, err)
				}
			})
		})
	}
}

// TestDeadlineIsOfOneRequest: the next request on a connection may be for a
// blob, which takes as long as it takes.
func TestDeadlineIsOfOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := true
		conn := dial(t, Handler(func(w http.ResponseWriter, _ *http.Request) error {
			if first {
				first = false
				return oci.Errorf(oci.NoSuchPath, "no such path")
			}
			time.Sleep(10 * answerTime)
			_, err := io.WriteString(w, "late")
			return err
		}))
		for _, want := range []string{"no such path", "late"} {
			if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 4096)
			var got []byte
			for !bytes.Contains(got, []byte(want)) {
				n, err := conn.Read(buf)
				if err != nil {
					t.Fatalf("after %q: %v", got, err)
				}
				got = append(got, buf[:n]...)
			}
		}
	})
}

// TestUnreadStreamEnds is the same for a stream whose window stays at 0.
func TestUnreadStreamEnds(t *testing.T) {
	for name, h := range answers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				defer client.Close()
				srv := &http.Server{Handler: h, Protocols: new(http.Protocols)}
				srv.Protocols.SetUnencryptedHTTP2(true)
				go func() { _ = srv.Serve(&oneConn{server, make(chan struct{})}) }()
				defer srv.Close()
				start := time.Now()
				if err := askWithoutWindow(client); err != nil {
					t.Fatal(err)
				}
				frames := http2.NewFramer(client, client)
				for {
					f, err := frames.ReadFrame()
					if err != nil {
						t.Fatalf("after %v: %v, want the stream reset", time.Since(start), err)
					}
					if reset, ok := f.(*http2.RSTStreamFrame); ok && reset.StreamID == 1 {
						break
					}
				}
				want := streamTime
				if name == "token" {
					want = answerTime
				}
				if took := time.Since(start); took > want+time.Second {
					t.Errorf("the stream was held for %v, want %v", took, want)
				}
			})
		})
	}
}

// askWithoutWindow begins stream 1 and lets the server send no data on it.
func askWithoutWindow(conn net.Conn) error {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "h"}, {":path", "/"}} {
		if err := enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			return err
		}
	}
	var out bytes.Buffer
	out.WriteString(http2.ClientPreface)
	frames := http2.NewFramer(&out, nil)
	err := errors.Join(
		frames.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}),
		frames.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}),
	)
	if err != nil {
		return err
	}
	go func() { _, _ = conn.Write(out.Bytes()) }() // the server sends its settings meanwhile
	return nil
}
