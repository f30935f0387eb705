package e2e

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/regate/regate/e2e/testbed"
)

// addressRules tell the balancer's network from that of its clients.
func addressRules(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf(`auth:
  users: {"admin": {password: %q}}
  acl:
    - {match: {ip: "127.0.0.0/8"}, actions: ["*"]}
    - {match: {ip: "%s/32"}, actions: [pull, push]}
`, testbed.Bcrypt(t, adminPassword), testbed.Address)
}

// TestBehindATCPBalancer has HAProxy pass TLS through to two gates, and say from
// whom each connection is.
func TestBehindATCPBalancer(t *testing.T) {
	t.Parallel()
	f := fleetPlan{
		gates:      2,
		registries: []*testbed.Registry{testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Registry3})},
		rules:      addressRules(t),
	}.start(t)
	ask := []string{"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("admin:"+adminPassword))}
	const login = "/auth?service=registry&scope=repository:team/a:pull,push,delete"
	for _, tt := range []struct {
		name   string
		header []string
	}{
		{"rules see where a client is", ask},
		{"and not where it says it is", append(ask, "X-Forwarded-For: 127.0.0.1")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range f.gates { // one after the other
				got := f.send(t, raw{"GET", login, tt.header, ""}, "")
				if granted := granted(t, got.body); got.status != 200 || granted != `["pull","push"]` {
					t.Errorf("%d, granted %s", got.status, granted)
				}
			}
		})
	}
	for i, g := range f.gates {
		t.Run(fmt.Sprintf("gate %d writes from where they are", i), func(t *testing.T) {
			if log := g.Log(); !strings.Contains(log, `"client":"`+testbed.Address+`"`) || strings.Contains(log, `"client":"127.0.0.1"`) {
				t.Errorf("log: %s", log)
			}
		})
	}
	t.Run("nobody else is believed", f.refusesOthers)
	t.Run("a balancer that only looks is no trouble", func(t *testing.T) {
		for range 20 {
			conn, err := net.Dial("tcp", f.behind(1))
			if err != nil {
				t.Fatal(err)
			}
			conn.Close()
		}
		if got := f.send(t, raw{method: "GET", target: "/v2/"}, ""); got.status != 401 {
			t.Errorf("%d", got.status)
		}
		if log := f.gates[1].Log(); strings.Contains(log, "connections refused") {
			t.Errorf("log: %s", log)
		}
	})
}

// refusesOthers has somebody who is no balancer come to a gate with what one
// says, and without.
func (f *fleet) refusesOthers(t *testing.T) {
	direct := f.behind(0)
	for _, header := range []string{"", "PROXY TCP4 127.0.0.1 127.0.0.1 4711 443\r\n", "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"} {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(testbed.Address)}}
		conn, err := d.Dial("tcp", direct)
		if errors.Is(err, syscall.ECONNRESET) {
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(testbed.Patience))
		_, _ = io.WriteString(conn, header+"GET / HTTP/1.1\r\n\r\n")
		if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Errorf("%q was answered", header)
		}
	}
	if n := (&site{gate: f.gates[0]}).counted(t, `regate_connections_refused_total{listener="https",reason="untrusted"}`); n != 3 {
		t.Errorf("%d refusals counted, want 3", n)
	}
}

// TestBehindAnHTTPBalancer has HAProxy end TLS, and send the requests of one
// client to two gates, one after the other.
func TestBehindAnHTTPBalancer(t *testing.T) {
	t.Parallel()
	f := fleetPlan{
		gates:      2,
		registries: []*testbed.Registry{testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Registry3})},
		proxied:    true,
		rules:      addressRules(t),
	}.start(t)
	for _, name := range []string{"crane", "podman", "regctl"} {
		c := f.client(t, name)
		if err := c.Login("admin", adminPassword); err != nil {
			t.Fatal(err)
		}
		digest, err := c.Push("team/"+name, "x")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Pull("team/" + name + ":x"); got != digest || err != nil {
			t.Errorf("%s: pull = %s, %v, want %s", name, got, err, digest)
		}
	}
	for i, g := range f.gates {
		log := g.Log()
		if !strings.Contains(log, `"op":"append_upload"`) || !strings.Contains(log, `"client":"`+testbed.Address+`"`) || strings.Contains(log, `"client":"127.0.0.1"`) {
			t.Errorf("log of gate %d: %s", i, log)
		}
	}
	got := f.send(t, raw{method: "GET", target: "/v2/", header: []string{"X-Forwarded-For: 127.0.0.1"}}, "")
	if want := `realm="` + f.gate.URL + `/auth"`; got.status != 401 || !strings.Contains(got.header.Get("Www-Authenticate"), want) {
		t.Errorf("%d %v, want %s", got.status, got.header, want)
	}
}

// TestLameDuck ends one of two gates while it sends a blob: the balancer turns
// away from it in time, so that nobody is refused, and the blob arrives whole.
func TestLameDuck(t *testing.T) {
	t.Parallel()
	registry := testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Registry3})
	f := fleetPlan{gates: 2, registries: []*testbed.Registry{registry}, rules: rules(t), grace: "3s"}.start(t)
	content := noise(64 << 20)
	digest := f.putBlob(t, "team/app", content)
	res := f.getBlob(t, "team/app", digest)
	leaving := 0
	eventually(t, "a gate sends", func() bool {
		for i, g := range f.gates {
			if (&site{gate: g}).counted(t, "regate_requests_in_flight") == 1 {
				leaving = i
				return true
			}
		}
		return false
	})
	stop, knocked := make(chan struct{}), make(chan error, 1)
	go func() { knocked <- f.knock(stop) }()
	if err := f.gates[leaving].Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	f.AwaitServer(t, fmt.Sprint("gate", leaving), "DOWN")
	read(t, f.gates[leaving].Admin+"/readyz", "", http.StatusServiceUnavailable)
	eventually(t, "an address that nobody listens on", func() bool {
		conn, err := net.Dial("tcp", f.behind(leaving))
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	got, err := io.ReadAll(res.Body)
	if err != nil || digestOf(got) != digest {
		t.Errorf("the blob broke off after %d of %d bytes: %v", len(got), len(content), err)
	}
	(&site{gate: f.gates[leaving]}).awaitEnd(t)
	close(stop)
	if err := <-knocked; err != nil {
		t.Errorf("somebody was refused: %v", err)
	}
}

// knock asks on one connection after the other, until it is told to stop or one
// is not answered.
func (f *fleet) knock(stop <-chan struct{}) error {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return nil
		case <-time.After(5 * time.Millisecond):
		}
		c := f.gate.CA.HTTP()
		res, err := c.Get(f.gate.URL + "/v2/")
		if err != nil {
			return fmt.Errorf("the %dth: %w", n+1, err)
		}
		res.Body.Close()
		c.CloseIdleConnections()
		if res.StatusCode != http.StatusUnauthorized {
			return fmt.Errorf("the %dth: %s", n+1, res.Status)
		}
	}
}
