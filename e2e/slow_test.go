package e2e

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/regate/regate/e2e/testbed"
)

// TestSlowClients shows what a stranger gets who would hold on to a connection.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	s := startSite(t, modes[0], testbed.Registry2, engines{})
	dial := func() *tls.Conn {
		conn, err := tls.Dial("tcp", s.gate.Host, &tls.Config{RootCAs: s.gate.CA.Pool(), NextProtos: []string{"http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(testbed.Patience))
		return conn
	}
	t.Run("a body that never comes is not waited for", func(t *testing.T) {
		conn := dial()
		fmt.Fprintf(conn, "PATCH /v2/team/a/blobs/uploads/x HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000000\r\n\r\n", s.gate.Host)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized {
			t.Errorf("without a token: %s, want 401", res.Status)
		}
	})
	t.Run("a header that never ends is cut off", func(t *testing.T) {
		conn, begun := dial(), time.Now()
		fmt.Fprintf(conn, "GET /v2/ HTTP/1.1\r\nHost: %s\r\n", s.gate.Host)
		if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
			t.Error("half a header was answered")
		}
		if took := time.Since(begun); took > testbed.Patience/2 {
			t.Errorf("the connection was held for %v", took)
		}
	})
}
