package e2e

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/e2e/testbed"
)

// A raw request is written to the connection byte for byte: no library puts
// right what an attacker would send.
type raw struct {
	method string
	target string
	header []string // lines; Host and Authorization are added unless one is given
	body   string
}

// A reply is what came back, or a status of 0 if the gate closed the connection.
type reply struct {
	status int
	header http.Header
	body   string
}

// send sends a raw request over a connection of its own.
func (s *site) send(t testing.TB, r raw, token string) reply {
	t.Helper()
	conn, err := tls.Dial("tcp", s.gate.Host, &tls.Config{RootCAs: s.gate.CA.Pool(), NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(testbed.Patience))
	if _, err := io.WriteString(conn, s.text(r, token)); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: r.method})
	if err != nil {
		return reply{}
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body) // what came is what is looked at
	return reply{res.StatusCode, res.Header, string(body)}
}

// sendHTTP2 sends a GET over HTTP/2 with the target as it is for :path.
func (s *site) sendHTTP2(t testing.TB, target, token string) reply {
	t.Helper()
	res, err := s.gate.CA.HTTP().Do(&http.Request{
		Method: "GET",
		URL:    &url.URL{Scheme: "https", Host: s.gate.Host, Opaque: target},
		Header: http.Header{"Authorization": {"Bearer " + token}},
	})
	if err != nil {
		return reply{}
	}
	defer res.Body.Close()
	if res.ProtoMajor != 2 {
		t.Fatalf("%s answered with %s", target, res.Proto)
	}
	body, _ := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, string(body)}
}

func (s *site) text(r raw, token string) string {
	lines := r.header
	if !has(lines, "host:") {
		lines = append(lines[:len(lines):len(lines)], "Host: "+s.gate.Host)
	}
	if !has(lines, "authorization:") && token != "" {
		lines = append(lines[:len(lines):len(lines)], "Authorization: Bearer "+token)
	}
	if r.body != "" && !has(lines, "content-length:") && !has(lines, "transfer-encoding:") {
		lines = append(lines[:len(lines):len(lines)], fmt.Sprintf("Content-Length: %d", len(r.body)))
	}
	lines = append(lines[:len(lines):len(lines)], "Connection: close")
	return fmt.Sprintf("%s %s HTTP/1.1\r\n%s\r\n\r\n%s", r.method, r.target, strings.Join(lines, "\r\n"), r.body)
}

// has tells whether a line begins with a header's lower-case name.
func has(lines []string, name string) bool {
	for _, line := range lines {
		if strings.HasPrefix(strings.ToLower(line), name) {
			return true
		}
	}
	return false
}
