package acme

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/acme/acmestub"
)

// Each kind of host, by each challenge alone.
func TestFirstCertificates(t *testing.T) {
	t.Parallel()
	for _, challenge := range []string{challengeALPN, challengeHTTP} {
		t.Run(challenge, func(t *testing.T) {
			t.Parallel()
			ca := acmestub.New(t)
			hosts := []string{"first.example.com", "192.0.2.7", "2001:db8::7"}
			cfg := online(t, []*acmestub.Server{ca}, hosts...)
			cfg.ACME.Challenges = []string{challenge}
			e := obtain(t, cfg, openStore(t), ca)
			for _, host := range hosts {
				c, err := dial(t, e.https, trusting(ca.CAPEM(), host))
				if isAddr(host) { // clients name none, so they get that of the first address
					_, served := e.shelf.view.Load().certs[host]
					if !served {
						t.Errorf("%s has no certificate", host)
					}
				} else if err != nil {
					t.Errorf("handshake for %s: %v", host, err)
				} else if got := c.ConnectionState().NegotiatedProtocol; got != "http/1.1" && got != "h2" {
					t.Errorf("protocol is %q", got)
				}
			}
			if n := ca.Asked("new-account"); n != 1 {
				t.Errorf("%d accounts for three hosts, want 1", n)
			}
			if n := ca.Asked("challenge"); n != 3 {
				t.Errorf("%d challenges for three hosts, want 3", n)
			}
		})
	}
}

// Without listen.http, nobody would answer on port 80.
func TestNoHTTPChallengeWithoutHTTP(t *testing.T) {
	t.Parallel()
	ca := acmestub.New(t)
	cfg := online(t, []*acmestub.Server{ca}, "nohttp.example.com")
	m, err := newManager(t.Context(), cfg, Deps{Store: openStore(t)}, brisk())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	if s, err := m.solvers(cfg.withDefaults().ACME); s[challengeHTTP] != nil || s[challengeALPN] == nil || err != nil { // which one comes first is up to chance
		t.Errorf("solvers are %v, %v", s, err)
	}
	e := listen(t, m)
	ca.Point(e.https, "192.0.2.1:1")
	e.Start(t.Context())
	waitAll(t, m)
}

func TestRestartOrdersNothing(t *testing.T) {
	t.Parallel()
	ca, store := acmestub.New(t), openStore(t)
	cfg := online(t, []*acmestub.Server{ca}, "restart.example.com", "192.0.2.8")
	first := obtain(t, cfg, store, ca)
	want := first.serial("restart.example.com")
	first.Close()
	second := obtain(t, cfg, store, ca)
	if got := second.serial("restart.example.com"); got != want || len(ca.Orders()) != 2 || ca.Asked("new-account") != 1 {
		t.Errorf("after a restart: serial %s, want %s; orders %+v; %d accounts", got, want, ca.Orders(), ca.Asked("new-account"))
	}
}

// What has expired is better than nothing: some clients are told to take it,
// and all see what is wrong.
func TestExpiredCertificateIsServed(t *testing.T) {
	t.Parallel()
	ca, store, host := acmestub.New(t), openStore(t), once()
	ca.Lifetime = 2 * time.Second
	cfg := online(t, []*acmestub.Server{ca}, host)
	first := obtain(t, cfg, store, ca)
	ca.Fail("new-order", 999, acmestub.Problem{Status: 403, Type: "caa", Detail: "forbidden"})
	expired := func(e *entrance) bool {
		s := e.Certificates()[0]
		return time.Now().After(s.NotAfter) && s.Trouble.Failed()
	}
	eventually(t, "it has expired", func() bool { return expired(first) })
	first.Close()
	second := obtain(t, cfg, store, ca)
	eventually(t, "it is known after a restart", func() bool { return expired(second) })
	c, err := dial(t, second.https, &tls.Config{ServerName: host, InsecureSkipVerify: true})
	if err != nil || time.Now().Before(c.ConnectionState().PeerCertificates[0].NotAfter) {
		t.Errorf("handshake with what has expired: %v", err)
	}
	if _, err := dial(t, second.https, trusting(ca.CAPEM(), host)); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("a client that looks: %v", err)
	}
}

func TestRenewalFailsNoHandshakeOnline(t *testing.T) {
	t.Parallel()
	ca := acmestub.New(t)
	ca.Lifetime = 9 * time.Second
	e := obtain(t, online(t, []*acmestub.Server{ca}, "online-renewal.example.com"), openStore(t), ca)
	first := e.serial("online-renewal.example.com")
	eventually(t, "another certificate is served", func() bool {
		c, err := dial(t, e.https, trusting(ca.CAPEM(), "online-renewal.example.com"))
		if err != nil {
			t.Fatalf("handshake around a renewal: %v", err)
		}
		return c.ConnectionState().PeerCertificates[0].SerialNumber.String() != first
	})
}

func TestReloadAddsAndRemovesHostsOnline(t *testing.T) {
	t.Parallel()
	ca := acmestub.New(t)
	cfg := online(t, []*acmestub.Server{ca}, "one.example.com", "two.example.com")
	e := obtain(t, cfg, openStore(t), ca)
	open, err := dial(t, e.https, trusting(ca.CAPEM(), "two.example.com"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Hosts = []string{"three.example.com", "one.example.com"}
	commit, err := e.Prepare(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	commit()
	waitAll(t, e.Manager)
	for _, host := range cfg.Hosts {
		if _, err := dial(t, e.https, trusting(ca.CAPEM(), host)); err != nil {
			t.Errorf("handshake for %s: %v", host, err)
		}
	}
	if _, err := dial(t, e.https, trusting(ca.CAPEM(), "two.example.com")); err == nil {
		t.Error("a host that went is served")
	}
	if n := len(ca.Orders()); n != 3 {
		t.Errorf("%d orders, want 3: %+v", n, ca.Orders())
	}
	if _, err := open.Write([]byte("GET / HTTP/1.1\r\nHost: two.example.com\r\n\r\n")); err != nil {
		t.Errorf("connection from before: %v", err)
	}
}

// A connection that negotiated acme-tls/1 ends with its handshake.
func TestChallengeConnectionIsNeverServed(t *testing.T) {
	t.Parallel()
	ca := acmestub.New(t)
	e := enter(t, online(t, []*acmestub.Server{ca}, "alpn.example.com"), openStore(t))
	present(t, e.Manager, challengeALPN, "alpn.example.com")
	c, err := dial(t, e.https, &tls.Config{ServerName: "alpn.example.com", NextProtos: []string{"acme-tls/1"}, InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: alpn.example.com\r\n\r\n")
	if answer, err := io.ReadAll(c); len(answer) > 0 || isTimeout(err) {
		t.Errorf("answer on a connection of a challenge: %q, %v", answer, err)
	}
}

func isTimeout(err error) bool {
	n, ok := err.(net.Error)
	return ok && n.Timeout()
}
