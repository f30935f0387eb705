package e2e

import (
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// TestHostsThatAreNotOurs sends a Host that the gate does not serve, or that is
// not the one of the handshake: 421 before anything is looked up, and no word of
// it anywhere.
func TestHostsThatAreNotOurs(t *testing.T) {
	t.Parallel()
	s := startSite(t, modes[0], testbed.Registry2, engines{})
	name, port, _ := strings.Cut(s.gate.Host, ":")
	token := s.token(t, "admin", adminPassword, "repository:team/a:pull")
	for _, tt := range []struct {
		host string
		want int
	}{
		{s.gate.Host, 200},
		{strings.ToUpper(s.gate.Host), 200},
		{"evil.test", 421},
		{"evil.test:" + port, 421},
		{name + ":1", 421},
		{"x." + s.gate.Host, 421},
		{"[::1]:" + port, 421},
		{name + "@evil.test:" + port, 400}, // no host at all
	} {
		for _, target := range []string{"/v2/", "/auth?service=registry", "/v2/team/a/tags/list"} {
			got := s.send(t, raw{"GET", target, []string{"Host: " + tt.host}, ""}, token)
			if tt.want == 200 {
				if got.status == 421 {
					t.Errorf("Host %s, %s: 421", tt.host, target)
				}
				continue
			}
			if got.status != tt.want {
				t.Errorf("Host %s, %s: %d, want %d", tt.host, target, got.status, tt.want)
			}
			if strings.Contains(got.body, "evil") || strings.Contains(got.header.Get("Www-Authenticate"), "evil") {
				t.Errorf("Host %s, %s: repeated in %v %s", tt.host, target, got.header, got.body)
			}
		}
	}
}

// TestHostOfAnotherHandshake: both names are ours, and a request may still not
// have another than the handshake had, on a connection that is used again either.
func TestHostOfAnotherHandshake(t *testing.T) {
	t.Parallel()
	const other = "other." + testbed.Host
	g := testbed.NewGate(t, nil)
	g.Configure(t, `registries: {main: {upstreams: ["http://127.0.0.1:1"]}}`+rules(t))
	text, err := os.ReadFile(g.File)
	if err != nil {
		t.Fatal(err)
	}
	both := strings.Replace(string(text), "hosts: ["+testbed.Host+"]", "hosts: ["+testbed.Host+", "+other+"]", 1)
	if err := os.WriteFile(g.File, []byte(both), 0o600); err != nil {
		t.Fatal(err)
	}
	g.Start(t)
	_, port, _ := strings.Cut(g.Host, ":")
	for _, proto := range []string{"http/1.1", "h2"} {
		t.Run(proto, func(t *testing.T) {
			client := handshakeAs(t, g, testbed.Host, proto)
			for _, tt := range []struct {
				host string
				want int
			}{
				{g.Host, 401},
				{strings.ToUpper(testbed.Host) + ":" + port, 401},
				{other + ":" + port, 421},
				{"x." + testbed.Host + ":" + port, 421},
				{g.Host, 401},
			} {
				res := ask(t, client, g, tt.host)
				if res.StatusCode != tt.want || res.TLS.NegotiatedProtocol != proto {
					t.Errorf("Host %s: %s over %s, want %d", tt.host, res.Status, res.TLS.NegotiatedProtocol, tt.want)
				}
				if got := res.Header.Get("X-Content-Type-Options"); got != "nosniff" {
					t.Errorf("Host %s: X-Content-Type-Options %q", tt.host, got)
				}
			}
			if res := ask(t, handshakeAs(t, g, other, proto), g, other+":"+port); res.StatusCode != 401 {
				t.Errorf("the other host by its own handshake: %s, want 401", res.Status)
			}
		})
	}
}

// handshakeAs returns a client of one connection, whose handshake asks for name.
func handshakeAs(t *testing.T, g *testbed.Gate, name, proto string) *http.Client {
	t.Helper()
	tr := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: g.CA.Pool(), ServerName: name, NextProtos: []string{proto}},
		Protocols:       new(http.Protocols),
		MaxConnsPerHost: 1,
	}
	tr.Protocols.SetHTTP1(proto == "http/1.1")
	tr.Protocols.SetHTTP2(proto == "h2")
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: testbed.Patience}
}

// ask sends a GET of /v2/ with the Host.
func ask(t *testing.T, client *http.Client, g *testbed.Gate, host string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", g.URL+"/v2/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res
}
