package e2e

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/e2e/testbed"
	"github.com/regate/regate/e2e/tool"
)

// prepareChanged is a site whose gate, not yet started, has another
// configuration than others.
func prepareChanged(t *testing.T, from, to string) *site {
	t.Helper()
	s := prepareSite(t, modes[0], testbed.Registry2, engines{})
	config, err := os.ReadFile(s.gate.File)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.gate.File, []byte(strings.Replace(string(config), from, to, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// startLimited is a site whose gate has more in its section listen.
func startLimited(t *testing.T, more string) *site {
	t.Helper()
	s := prepareLimited(t, more)
	s.gate.Start(t)
	return s
}

func prepareLimited(t *testing.T, more string) *site {
	t.Helper()
	return prepareChanged(t, "grace: 0s", "grace: 0s, "+more)
}

// dialFrom connects with TLS from an address of this machine.
func (s *site) dialFrom(t testing.TB, from string) (*tls.Conn, error) {
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: testbed.Patience}
	conn, err := tls.DialWithDialer(d, "tcp", s.gate.Host, &tls.Config{RootCAs: s.gate.CA.Pool(), NextProtos: []string{"http/1.1"}})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close() })
	return conn, conn.SetDeadline(time.Now().Add(testbed.Patience))
}

// fill connects until it is refused, and returns how often it was let in.
func (s *site) fill(t *testing.T, from string, most int) (all []*tls.Conn) {
	t.Helper()
	for len(all) <= most {
		conn, err := s.dialFrom(t, from)
		if err != nil {
			return all
		}
		all = append(all, conn)
	}
	t.Fatalf("%d connections from %s were let in", len(all), from)
	return nil
}

// healthy asks on a connection that is open.
func (s *site) healthy(t *testing.T, conn net.Conn) {
	t.Helper()
	fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n", s.gate.Host)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("on a connection that was open: %v %v", res, err)
	}
}

// counted is the value of a line of /metrics, 0 if there is none.
func (s *site) counted(t testing.TB, series string) int {
	t.Helper()
	res, err := http.Get(s.gate.Admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(all), "\n"+series+" ")
	value, _, _ := strings.Cut(after, "\n")
	n, _ := strconv.Atoi(value)
	return n
}

const (
	here      = "10.77.0.1" // where the tests connect from
	elsewhere = "127.0.0.1"
	third     = "127.9.0.1"
)

// TestConnectionLimits has one network take all that it may, then another, and
// sees who is still served.
func TestConnectionLimits(t *testing.T) {
	t.Parallel()
	s := startLimited(t, "limits: {connections: 20, per_network: 12}")
	first := s.fill(t, here, 12)
	if len(first) < 8 { // the test's own clients have some
		t.Errorf("one network was given %d connections of 12", len(first))
	}
	second := s.fill(t, elsewhere, 12)
	if _, err := s.dialFrom(t, third); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("with 20 connections, another one: %v, want a reset", err)
	}
	s.healthy(t, first[0])
	s.healthy(t, second[0])
	for _, reason := range []string{"per_network", "total"} {
		if s.counted(t, fmt.Sprintf("regate_connections_refused_total{listener=\"https\",reason=%q}", reason)) == 0 {
			t.Errorf("%s is not counted", reason)
		}
	}
	for range 100 {
		_, _ = s.dialFrom(t, third)
	}
	if n := strings.Count(s.gate.Log(), "connections refused"); n == 0 || n > 8 {
		t.Errorf("%d lines tell of more than 100 refusals", n)
	}
	one, two := s.askPlain(t, third), s.askPlain(t, third)
	if one != nil || two == nil { // an eighth: one of a network
		t.Errorf("on http: %v and %v, want the second refused", one, two)
	}
	_ = second[0].Close()
	testbed.Await(t, func() error { _, err := s.dialFrom(t, third); return err })
}

// askPlain asks on the http listener, and stays connected.
func (s *site) askPlain(t testing.TB, from string) error {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.Dial("tcp", strings.TrimPrefix(s.gate.Plain, "http://"))
	if err != nil {
		return err
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(testbed.Patience))
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", s.gate.Host)
	_, err = http.ReadResponse(bufio.NewReader(conn), nil)
	return err
}

// TestBalancerIsNoNetwork: everybody comes from there.
func TestBalancerIsNoNetwork(t *testing.T) {
	t.Parallel()
	s := startLimited(t, "trusted_proxies: ["+here+"], limits: {connections: 40, per_network: 4}")
	if n := len(s.fill(t, here, 40)); n < 20 {
		t.Errorf("a balancer was given %d connections of 40", n)
	}
}

// TestFewDescriptors starts a gate that may open few files, takes all the
// connections it gives, and sees that it can be asked how it is.
func TestFewDescriptors(t *testing.T) {
	t.Parallel()
	s := prepareLimited(t, "limits: {connections: 5000, per_network: 5000}")
	regate, err := tool.Path("regate")
	if err != nil {
		t.Fatal(err)
	}
	s.gate.Process = testbed.Start(t, testbed.Command{
		Program: "prlimit",
		Args:    []string{"--nofile=500:500", regate, "serve", "-c", s.gate.File},
		Dir:     testbed.Dir(t),
	})
	s.gate.AwaitReady(t)
	if !strings.Contains(s.gate.Log(), "fewer connections or requests than listen.limits allows") {
		t.Error("nothing is said of the limit of open files")
	}
	all := s.fill(t, here, 500)
	if len(all) < 40 {
		t.Errorf("500 descriptors are %d connections", len(all))
	}
	s.healthy(t, all[0])
	if n := s.counted(t, `regate_connections{listener="https"}`); n < len(all) {
		t.Errorf("the metrics know %d connections of %d", n, len(all))
	}
	if strings.Contains(s.gate.Log(), "too many open files") {
		t.Error("descriptors ran out")
	}
}

// TestHeaderLimits shows what a stranger gets who sends a header without end.
func TestHeaderLimits(t *testing.T) {
	t.Parallel()
	s := startLimited(t, "limits: {header_bytes: 8192, header_time: 2s}")
	dial := func(t *testing.T) *tls.Conn {
		conn, err := s.dialFrom(t, here)
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	for name, lines := range map[string]string{
		"many":  strings.Repeat("A: b\r\n", 10_000),
		"some":  strings.Repeat("A: b\r\n", 200), // within the bytes
		"large": "A: " + strings.Repeat("b", 20_000) + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t)
			fmt.Fprintf(conn, "GET /v2/ HTTP/1.1\r\nHost: %s\r\n%s\r\n", s.gate.Host, lines)
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil || res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("%v %v, want 431", res, err)
			}
		})
	}
	t.Run("slow", func(t *testing.T) { // a line a second
		conn, begun := dial(t), time.Now()
		fmt.Fprintf(conn, "GET /v2/ HTTP/1.1\r\nHost: %s\r\n", s.gate.Host)
		for err := error(nil); err == nil && time.Since(begun) < testbed.Patience/2; {
			_, err = io.WriteString(conn, "A: b\r\n")
			_ = conn.SetReadDeadline(time.Now().Add(time.Second / 4))
			if _, read := conn.Read(make([]byte, 1)); !errors.Is(read, os.ErrDeadlineExceeded) {
				err = errors.Join(err, read)
			}
		}
		if took := time.Since(begun); took > 6*time.Second {
			t.Errorf("the connection was held for %v", took)
		}
	})
	t.Run("no handshake", func(t *testing.T) {
		conn, err := net.Dial("tcp", s.gate.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		begun := time.Now()
		_ = conn.SetDeadline(begun.Add(testbed.Patience))
		if _, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begun) > 6*time.Second {
			t.Errorf("the connection was held for %v: %v", time.Since(begun), err)
		}
	})
}

// TestVersions connects with versions and key exchanges of TLS.
func TestVersions(t *testing.T) {
	t.Parallel()
	s := startSite(t, modes[0], testbed.Registry2, engines{})
	only := prepareChanged(t, "tls: {", "tls: {min_version: \"1.3\", ")
	only.gate.Start(t)
	for _, tt := range []struct {
		name string
		site *site
		cfg  *tls.Config
		want string // version and key exchange, or ""
	}{
		{"usual", s, &tls.Config{}, "TLS 1.3 X25519MLKEM768"},
		{"old", s, &tls.Config{MaxVersion: tls.VersionTLS12}, "TLS 1.2 X25519"},
		{"too old", s, &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}, ""},
		{"CBC", s, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256}}, ""},
		{"1.3 alone", only, &tls.Config{}, "TLS 1.3 X25519MLKEM768"},
		{"1.3 alone, and 1.2", only, &tls.Config{MaxVersion: tls.VersionTLS12}, ""},
	} {
		cfg := tt.cfg.Clone()
		cfg.RootCAs = tt.site.gate.CA.Pool()
		got := ""
		if conn, err := tls.Dial("tcp", tt.site.gate.Host, cfg); err == nil {
			state := conn.ConnectionState()
			got = tls.VersionName(state.Version) + " " + state.CurveID.String()
			_ = conn.Close()
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
