package e2e

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// behindBalancer has rules that tell the balancer's network from its clients'.
const behindBalancer = `
listen: {https: %q, http: "", admin: %q, public_url: %q, trusted_proxies: ["127.0.0.1"], grace: 0s}
tls: {mode: proxied}
state: {path: %q}
log: {level: debug, format: json}
registries: {main: {upstreams: ["http://%s"]}}
auth:
  users: {"admin": {password: %q}}
  acl:
    - {match: {ip: "127.0.0.0/8"}, actions: ["*"]}
    - {match: {ip: "%s/32"}, actions: [pull, push]}
`

// haproxy ends TLS, and says from where a client came, or, when asked, rubbish.
const haproxy = `
	mode http
frontend public
	bind %s ssl crt %s alpn h2,http/1.1
	option forwardfor if-none
	http-request del-header X-Forwarded-For unless { hdr(x-test) unreadable }
	default_backend gate
backend gate
	server one %s source 127.0.0.1
`

// startBehindBalancer starts a gate in mode proxied behind HAProxy, and returns
// its own address, too.
func startBehindBalancer(t *testing.T) (s *site, direct string) {
	t.Helper()
	g := testbed.NewGate(t, testbed.NewCA(t))
	s = &site{gate: g, registry: testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Registry2, Addr: testbed.LocalAddr()})}
	direct = fmt.Sprintf("%s:%d", testbed.Address, testbed.Port())
	config := fmt.Sprintf(behindBalancer, direct, strings.TrimPrefix(g.Admin, "http://"), g.URL, g.StatePath(),
		s.registry.Addr, testbed.Bcrypt(t, adminPassword), testbed.Address)
	if err := os.WriteFile(g.File, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cert, key := g.CA.Issue(t, testbed.Host)
	testbed.StartBalancer(t, fmt.Sprintf(haproxy, g.Host, bothIn(t, cert, key), direct), g.Host)
	g.Start(t)
	return s, direct
}

// TestBehindABalancer has HAProxy end TLS before a gate in mode proxied.
func TestBehindABalancer(t *testing.T) {
	t.Parallel()
	s, direct := startBehindBalancer(t)
	t.Run("a client logs in, pushes and pulls", func(t *testing.T) {
		c := s.client(t, "crane")
		if err := c.Login("admin", adminPassword); err != nil {
			t.Fatal(err)
		}
		digest, err := c.Push("team/a", "x")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Pull("team/a@" + digest); got != digest || err != nil {
			t.Errorf("pull = %s, %v, want %s", got, err, digest)
		}
	})
	t.Run("the log has the client's address", func(t *testing.T) {
		if log := s.gate.Log(); !strings.Contains(log, `"client":"`+testbed.Address+`"`) || strings.Contains(log, `"/v2/team/a/manifests/x","client":"127.0.0.1"`) {
			t.Errorf("log: %s", log)
		}
	})
	t.Run("the challenge has the public origin", func(t *testing.T) {
		got := s.send(t, raw{method: "GET", target: "/v2/"}, "")
		if want := `realm="` + s.gate.URL + `/auth"`; got.status != 401 || !strings.Contains(got.header.Get("Www-Authenticate"), want) {
			t.Errorf("%d %v, want %s", got.status, got.header, want)
		}
	})
	for _, tt := range []struct {
		name   string
		header []string
		want   string
	}{
		{"rules see where a client is", nil, `["pull","push"]`},
		{"and not where it says it is", []string{"X-Forwarded-For: 127.0.0.1"}, `["pull","push"]`},
		{"and take nobody for the balancer", []string{"X-Test: unreadable", "X-Forwarded-For: unknown"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			login := base64.StdEncoding.EncodeToString([]byte("admin:" + adminPassword))
			header := append([]string{"Authorization: Basic " + login}, tt.header...)
			got := s.send(t, raw{"GET", "/auth?service=registry&scope=repository:team/a:pull,push,delete", header, ""}, "")
			if granted := granted(t, got.body); got.status != 200 || granted != tt.want {
				t.Errorf("%d, granted %s, want %s", got.status, granted, tt.want)
			}
		})
	}
	t.Run("nobody else speaks to the gate", func(t *testing.T) {
		conn, err := net.Dial("tcp", direct)
		if errors.Is(err, syscall.ECONNRESET) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n", s.gate.Host)
		if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Error("it was answered")
		}
	})
}

// granted is the list of actions in a token, as it is written there.
func granted(t *testing.T, answer string) string {
	t.Helper()
	var a struct{ Token string }
	if err := json.Unmarshal([]byte(answer), &a); err != nil {
		t.Fatalf("%v: %s", err, answer)
	}
	_, rest, _ := strings.Cut(a.Token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		t.Fatalf("%v: %s", err, a.Token)
	}
	_, after, _ := strings.Cut(string(text), `"actions":`)
	list, _, found := strings.Cut(after, "]")
	if !found {
		return ""
	}
	return list + "]"
}
