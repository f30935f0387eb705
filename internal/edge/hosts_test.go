package edge

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

var hostTests = []struct {
	host string
	want bool
}{
	{"registry.example.com:8443", true},
	{"registry.example.com", true}, // public url
	{"registry.example.com:443", true},
	{"REGISTRY.Example.Com:8443", true},
	{"pub.example.org", true},
	{"pub.example.org:8443", true},
	{"a.wild.example:8443", true},
	{"10.0.0.7:8443", true},
	{"[::1]:8443", true},
	{"[0:0:0:0:0:0:0:1]:8443", true},
	{"[::FFFF:10.0.0.7]:8443", true},
	{"localhost:8443", true},

	{"", false},
	{"evil.example:8443", false},
	{"registry.example.com:80", false},
	{"registry.example.com:8444", false},
	{"registry.example.com.:8443", false},
	{"registry.example.com:", false},
	{"registry.example.com:08443", false},
	{"registry.example.com:+8443", false},
	{"registry.example.com:73979", false}, // 8443 + 65536
	{"registry.example.com:8443:8443", false},
	{"xregistry.example.com:8443", false},
	{"wild.example:8443", false},
	{".wild.example:8443", false},
	{"a.b.wild.example:8443", false},
	{"*.wild.example:8443", false},
	{"a\"b.wild.example:8443", false},
	{"a/b.wild.example:8443", false},
	{"u@a.wild.example:8443", false},
	{"a b.wild.example:8443", false},
	{"ä.wild.example:8443", false},
	{strings.Repeat("a", 64) + ".wild.example:8443", false},
	{"::1:8443", false},
	{"[::1]", true}, // with the port of the public url
	{"::1", false},
	{"[::1%eth0]:8443", false},
	{"[10.0.0.7]:8443", false},
	{"[::1:8443", false},
	{"[::2]:8443", false},
	{"10.0.0.8:8443", false},
	{"012.0.0.7:8443", false},
}

var testHosts = HostsConfig{
	Names:     []string{"Registry.example.com", "*.wild.example", "10.0.0.7", "::1", "localhost"},
	HTTPSPort: 8443,
	PublicURL: "https://pub.example.org",
}

func TestHosts(t *testing.T) {
	hosts, err := NewHosts(testHosts)
	if err != nil {
		t.Fatal(err)
	}
	h := hosts.Check(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, Origin(r)) }))
	for _, tt := range hostTests {
		t.Run(tt.host, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/v2/", nil)
			r.Host = tt.host
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			status, body := http.StatusOK, "https://"+tt.host
			if !tt.want {
				status, body = http.StatusMisdirectedRequest, `{"errors":[{"code":"UNSUPPORTED","message":"this host is not served here"}]}`
			}
			if w.Code != status || w.Body.String() != body {
				t.Errorf("Host %q: %d %s, want %d %s", tt.host, w.Code, w.Body, status, body)
			}
		})
	}
}

func TestPublicURLMustBeAnOrigin(t *testing.T) {
	for _, url := range []string{"http://a.example", "a.example", "https://", "https://a.example/x", "https://a.example/", "https://u:p@a.example", "https://a.example?x", "https://a.example:0", "https://a_b.example.", "https://%zz"} {
		if _, err := NewHosts(HostsConfig{PublicURL: url}); err == nil {
			t.Errorf("NewHosts with the public url %q: no error", url)
		}
	}
}

// tlsServer checks hosts for real: its certificate is good for example.com
// and for 127.0.0.1.
func tlsServer(t *testing.T, h2 bool) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	hosts, err := NewHosts(HostsConfig{Names: []string{"example.com", "other.example", "127.0.0.1"}, HTTPSPort: srv.Listener.Addr().(*net.TCPAddr).Port})
	if err != nil {
		t.Fatal(err)
	}
	srv.Config.Handler = hosts.Check(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RemoteAddr) }))
	srv.EnableHTTP2 = h2
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

var sniTests = []struct {
	sni, host string // a port is added to host
	want      int
}{
	{"example.com", "example.com", 200},
	{"example.com", "EXAMPLE.com", 200},
	{"example.com", "other.example", 421},
	{"example.com", "127.0.0.1", 421},
	{"", "127.0.0.1", 200},
	{"", "other.example", 200},
	{"", "evil.example", 421},
}

func TestHostMustBeTheNameOfTheHandshake(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		srv := tlsServer(t, h2)
		addr := srv.Listener.Addr().String()
		_, port, _ := net.SplitHostPort(addr)
		for _, tt := range sniTests {
			t.Run(fmt.Sprintf("h2=%v %s %s", h2, tt.sni, tt.host), func(t *testing.T) {
				name := tt.sni
				if name == "" {
					name = "127.0.0.1" // for which clients send no SNI
				}
				client := srv.Client()
				client.Transport.(*http.Transport).TLSClientConfig.ServerName = name
				defer client.CloseIdleConnections()
				res := get(t, client, "https://"+addr, tt.host+":"+port)
				if res.StatusCode != tt.want || res.ProtoMajor == 2 != h2 {
					t.Errorf("%s %s, want %d", res.Proto, res.Status, tt.want)
				}
			})
		}
	}
}

// TestReusedConnection asks for one name and then, over the same connection,
// for another, as browsers do when a certificate covers both.
func TestReusedConnection(t *testing.T) {
	srv := tlsServer(t, true)
	addr := srv.Listener.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	client := srv.Client()
	var conns int
	client.Transport.(*http.Transport).TLSClientConfig.ServerName = "example.com"
	client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conns++
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	for _, tt := range []struct {
		host string
		want int
	}{{"example.com", 200}, {"other.example", 421}, {"example.com", 200}} {
		if res := get(t, client, "https://"+addr, tt.host+":"+port); res.StatusCode != tt.want {
			t.Errorf("%s: %s, want %d", tt.host, res.Status, tt.want)
		}
	}
	if conns != 1 {
		t.Errorf("%d connections, want 1", conns)
	}
}

func get(t *testing.T, client *http.Client, url, host string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res
}

var rawTests = []struct {
	name, head string
	want       int
}{
	{"two Host headers", "GET / HTTP/1.1\r\nHost: example.com:PORT\r\nHost: evil.example\r\n", 400},
	{"two equal Host headers", "GET / HTTP/1.1\r\nHost: example.com:PORT\r\nHost: example.com:PORT\r\n", 400},
	{"no Host header", "GET / HTTP/1.1\r\n", 400},
	{"no Host header in HTTP/1.0", "GET / HTTP/1.0\r\n", 421},
	{"absolute target of another host", "GET https://evil.example/ HTTP/1.1\r\nHost: example.com:PORT\r\n", 421},
	{"forwarded host", "GET / HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: example.com:PORT\r\n", 421},
	{"folded Host header", "GET / HTTP/1.1\r\nHost: example.com:PORT\r\n evil.example\r\n", 400},
	{"ours", "GET / HTTP/1.1\r\nHost: example.com:PORT\r\nX-Forwarded-Host: evil.example\r\n", 200},
}

func TestRawHosts(t *testing.T) {
	srv := tlsServer(t, false)
	addr := srv.Listener.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	cfg := srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	cfg.ServerName = "example.com"
	for _, tt := range rawTests {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := tls.Dial("tcp", addr, cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, strings.ReplaceAll(tt.head, "PORT", port)+"\r\n"); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != tt.want {
				t.Errorf("%s, want %d", res.Status, tt.want)
			}
		})
	}
}
