package gate

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// via returns a client whose connections begin with header, as a balancer's.
func (g *running) via(header string) *http.Client {
	g.t.Helper()
	c := clientOf(g.t, g.CAFile)
	c.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			_, err = io.WriteString(conn, header)
		}
		return conn, err
	}
	return c
}

func tcp4(client string) string { return "PROXY TCP4 " + client + " 10.0.0.1 4711 443\r\n" }

// startProxyProtocol starts a gate that believes the header from networks.
func startProxyProtocol(t *testing.T, networks, more string) *running {
	t.Helper()
	path := changed(t, config(t, "http://127.0.0.1:1", ""), "grace: 0s", "grace: 0s, proxy_protocol: true, trusted_proxies: ["+networks+"]"+more)
	g := startPlain(t, path)
	g.https = clientOf(t, g.CAFile) // which admin answers
	return g
}

// TestProxyProtocol: the client is whom the balancer says, for rules and in the
// log, and X-Forwarded-For is the word of a stranger, unless the client is
// trusted as well.
func TestProxyProtocol(t *testing.T) {
	path := config(t, "http://127.0.0.1:1", "")
	changed(t, path, "grace: 0s", `grace: 0s, proxy_protocol: true, trusted_proxies: ["127.0.0.0/8", "198.51.100.0/24"]`)
	changed(t, path, `[{match: {account: "dev"}, actions: ["*"]}]`, `[{match: {ip: "192.0.2.0/24"}, actions: [pull]}, {match: {ip: "127.0.0.0/8"}, actions: [push]}]`)
	g := startPlain(t, path)
	for i, tt := range []struct {
		name, header, forwarded string
		wantClient, wantActions string
	}{
		{"a client", tcp4("192.0.2.7"), "", "192.0.2.7", `["pull"]`},
		{"another", tcp4("203.0.113.9"), "", "203.0.113.9", ""},
		{"one that claims more", tcp4("203.0.113.9"), "192.0.2.7", "203.0.113.9", ""},
		{"a balancer before the balancer", tcp4("198.51.100.1"), "192.0.2.7", "192.0.2.7", `["pull"]`},
		{"the balancer itself", "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00", "", "127.0.0.1", `["push"]`},
		{"nobody knows whom", "PROXY UNKNOWN\r\n", "", "invalid IP", ""},
		{"nobody knows whom, who claims more", "PROXY UNKNOWN\r\n", "192.0.2.7", "invalid IP", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g.https = g.via(tt.header)
			id := fmt.Sprint("client-", i)
			header := []string{"Authorization", basic}
			if tt.forwarded != "" {
				header = append(header, "X-Forwarded-For", tt.forwarded)
			}
			status, body, _ := g.get("https", "/auth?service=registry&scope=repository:a:pull,push&client_id="+id, header...)
			if got := actionsIn(t, body); status != 200 || got != tt.wantActions {
				t.Errorf("%d, granted %s, want %s", status, got, tt.wantActions)
			}
			if got := g.clientOf(id); got != tt.wantClient {
				t.Errorf("the log has %q, want %q", got, tt.wantClient)
			}
		})
	}
	g.https = g.via(tcp4("192.0.2.7"))
	if status, _, _ := g.get("http", "/"); status != 308 {
		t.Errorf("http behind the balancer: %d", status)
	}
	g.https = clientOf(t, g.CAFile)
	if status, _, _ := g.get("admin", "/readyz"); status != 200 {
		t.Errorf("admin, which is behind none: %d", status)
	}
}

// TestOnlyBalancersSpeakProxyProtocol: nobody else is heard, whatever he says,
// and no balancer without a header.
func TestOnlyBalancersSpeakProxyProtocol(t *testing.T) {
	for _, tt := range []struct{ name, trusted, header, wantReason, wantAdvice string }{
		{"a stranger", "192.0.2.0/24", tcp4("192.0.2.7"), "untrusted", "listen.trusted_proxies"},
		{"a stranger without a header", "192.0.2.0/24", "", "untrusted", "listen.trusted_proxies"},
		{"a balancer without a header", "127.0.0.0/8", "", "proxy_header", "send-proxy-v2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := startProxyProtocol(t, tt.trusted, "")
			for _, listener := range []string{"https", "http"} {
				if res, err := g.via(tt.header).Get(strings.TrimSuffix(listener, "s") + "s://" + g.Addrs[listener] + "/healthz"); err == nil {
					_ = res.Body.Close()
					t.Errorf("%s answered %s", listener, res.Status)
				}
				want := fmt.Sprintf(`regate_connections_refused_total{listener=%q,reason=%q} 1`, listener, tt.wantReason)
				if _, body, _ := g.get("admin", "/metrics"); !strings.Contains(body, want) {
					t.Errorf("no %s in the metrics", want)
				}
			}
			if !g.logged(tt.wantAdvice) {
				t.Errorf("the log does not say what to do: %s", tt.wantAdvice)
			}
		})
	}
}

// TestNetworksBehindABalancer: limits are for the clients in the headers.
func TestNetworksBehindABalancer(t *testing.T) {
	g := startProxyProtocol(t, "127.0.0.0/8", ", limits: {per_network: 2}")
	var got []string
	for _, client := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "203.0.113.1"} {
		c := g.via(tcp4(client))
		status := "refused"
		if res, err := c.Get("https://" + g.Addrs["https"] + "/healthz"); err == nil {
			status = res.Status
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
		got = append(got, status)
	}
	if want := "200 OK,200 OK,refused,200 OK"; strings.Join(got, ",") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// TestHeadersThatNeverCome: they count as connections, and no longer than a
// header may take. Meanwhile who is there goes on.
func TestHeadersThatNeverCome(t *testing.T) {
	t.Parallel() // it takes its time
	g := startProxyProtocol(t, "127.0.0.0/8", ", limits: {connections: 16, per_network: 16}")
	inside := g.via(tcp4("192.0.2.1"))
	url := "https://" + g.Addrs["https"] + "/healthz"
	get := func(c *http.Client) error {
		res, err := c.Get(url)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, res.Body)
		return res.Body.Close()
	}
	g.until("somebody inside", func() bool { return get(inside) == nil })
	var silent []net.Conn
	for i := range 100 {
		c, err := net.DialTimeout("tcp", g.Addrs["https"], patience)
		if errors.Is(err, syscall.ECONNRESET) {
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, "\r\n\r\n\x00\r\nQUIT\n"[:i%12]) // it may have been reset
		silent = append(silent, c)
	}
	g.until("too many", func() bool {
		_, body, _ := g.get("admin", "/metrics")
		return strings.Contains(body, `{listener="https",reason="total"} 85`)
	})
	if err := get(inside); err != nil {
		t.Errorf("who is inside: %v", err)
	}
	g.until("room", func() bool { return get(g.via(tcp4("192.0.2.2"))) == nil })
	if len(silent) < 15 {
		t.Errorf("%d connections, of which 15 have room", len(silent))
	}
	for i, c := range silent {
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("silent %d reads %v", i, err)
		}
	}
	g.stop()
	g.ends()
	if n := g.refused("total"); n < 85 { // by the last line, too
		t.Errorf("%d refusals are told, of 85", n)
	}
}

// refused is how many connections the log says were refused for a reason.
func (g *running) refused(reason string) (n int) {
	g.t.Helper()
	text, err := os.ReadFile(g.log)
	if err != nil {
		g.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var refusal struct {
			Msg, Reason string
			Count       int
		}
		if json.Unmarshal([]byte(line), &refusal) == nil && refusal.Msg == "connections refused" && refusal.Reason == reason {
			n += refusal.Count
		}
	}
	return n
}

// clientOf is the client in the line about the token that a program was given.
func (g *running) clientOf(id string) (client string) {
	g.t.Helper()
	g.until("a line of "+id, func() bool {
		text, _ := os.ReadFile(g.log)
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, `"client_id":"`+id+`"`) {
				_, rest, _ := strings.Cut(line, `"client":"`)
				client, _, _ = strings.Cut(rest, `"`)
				return true
			}
		}
		return false
	})
	return client
}

// TestTurnAway: while it drains, the gate answers, and has clients leave.
func TestTurnAway(t *testing.T) {
	t.Parallel() // it takes its time
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			g := start(t, changed(t, config(t, "http://127.0.0.1:1", ""), "grace: 0s", "grace: 3s"))
			g.https.Transport.(*http.Transport).ForceAttemptHTTP2 = proto == "HTTP/2.0"
			if proto == "HTTP/1.1" {
				g.https.Transport.(*http.Transport).TLSClientConfig.NextProtos = []string{"http/1.1"}
			}
			g.https.CloseIdleConnections()
			ask := func() (reused bool) {
				trace := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
					GotConn: func(c httptrace.GotConnInfo) { reused = c.Reused },
				})
				r, err := http.NewRequestWithContext(trace, http.MethodGet, "https://"+g.Addrs["https"]+"/v2/", nil)
				if err != nil {
					t.Fatal(err)
				}
				res, err := g.https.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				if res.StatusCode != 401 || res.Proto != proto {
					t.Fatalf("%s %s", res.Proto, res.Status)
				}
				return reused
			}
			ask()
			if !ask() {
				t.Error("a second connection before the end")
			}
			g.stop()
			g.until("draining", func() bool { return g.logged(`"draining"`) })
			ask() // is told
			if proto == "HTTP/1.1" {
				if ask() {
					t.Error("the connection goes on")
				}
				return
			}
			g.until("another connection", func() bool { return !ask() }) // GOAWAY comes beside the answer
		})
	}
}

// copyOf is a listener of its own on the socket of l, for a gate to close.
func copyOf(t *testing.T, l net.Listener) net.Listener {
	t.Helper()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestSocketOutlivesTheGate: who connects while there is no gate is answered by
// the next one.
func TestSocketOutlivesTheGate(t *testing.T) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	path := config(t, "http://127.0.0.1:1", "")
	serve := func(ctx context.Context, o Options) error {
		o.Sockets = map[string]net.Listener{"https": copyOf(t, socket)}
		return Serve(ctx, o)
	}
	first := startAs(t, path, serve)
	if got, want := first.Addrs["https"], socket.Addr().String(); got != want {
		t.Fatalf("it listens on %s, want %s", got, want)
	}
	first.stop()
	first.ends()
	early, err := net.Dial("tcp", socket.Addr().String())
	if err != nil {
		t.Fatalf("while there is no gate: %v", err)
	}
	defer early.Close()
	_ = early.SetDeadline(time.Now().Add(patience))
	second := startAs(t, path, serve)
	c := tls.Client(early, &tls.Config{RootCAs: second.https.Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "127.0.0.1"})
	_, _ = io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	if line, err := bufio.NewReader(c).ReadString('\n'); !strings.Contains(line, "200 OK") {
		t.Errorf("who came while there was no gate reads %q, %v", line, err)
	}
}

func TestStrangeSockets(t *testing.T) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	unix, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	for _, tt := range []struct {
		name   string
		socket net.Listener
		want   string
	}{
		{"regate.socket", socket, `socket "regate.socket": its name must be https, http or admin`},
		{"http", socket, `socket "http": listen.http is turned off`},
		{"https", unix, `socket "https": listens on no TCP port`},
	} {
		path := changed(t, config(t, "http://127.0.0.1:1", ""), `http: "127.0.0.1:0"`, `http: ""`)
		err := Serve(t.Context(), Options{Path: path, Log: os.Stderr, Sockets: map[string]net.Listener{tt.name: tt.socket}})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Serve() = %v, want %q", err, tt.want)
		}
	}
}

// actionsIn is the list of actions in the token of an answer, as it is written
// there.
func actionsIn(t *testing.T, body string) string {
	t.Helper()
	var answer struct{ Token string }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || strings.Count(answer.Token, ".") != 2 {
		t.Fatalf("no token in %s", body)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(answer.Token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(payload), `"actions":`)
	list, _, found := strings.Cut(rest, "]")
	if !found {
		return ""
	}
	return list + "]"
}
