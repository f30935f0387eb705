package acme

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/internal/state"
	"github.com/regate/regate/internal/state/local"
)

// brisk is for tests that wait for what else takes minutes.
func brisk() intervals {
	return intervals{
		renewal: 50 * time.Millisecond, reconcile: 50 * time.Millisecond, sweep: time.Hour, pause: publicPause,
		files: 20 * time.Millisecond, storage: 3 * time.Second,
	}
}

func internal(hosts ...string) Config {
	return Config{Mode: ModeInternal, Hosts: hosts}
}

func openStore(t *testing.T) state.Store {
	t.Helper()
	return openStoreAt(t, t.TempDir())
}

func openStoreAt(t *testing.T, dir string) state.Store {
	t.Helper()
	st, err := local.Open(t.Context(), local.Config{Path: dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	key, err := state.NewKey([32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	return state.Seal(st, key, "tls") // as the gate has it
}

// startManager returns a manager that has a certificate for every host.
func startManager(t *testing.T, cfg Config, store state.Store) *Manager {
	t.Helper()
	m := newTestManager(t, cfg, store)
	m.Start(t.Context())
	waitAll(t, m)
	return m
}

func newTestManager(t *testing.T, cfg Config, store state.Store) *Manager {
	t.Helper()
	m, err := newManager(t.Context(), cfg, Deps{Store: store}, brisk())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func waitAll(t *testing.T, m *Manager) {
	t.Helper()
	eventually(t, "every host has a certificate", func() bool { return complete(m.shelf) })
}

func complete(s *shelf) bool {
	v := s.view.Load()
	return !slices.ContainsFunc(v.hosts, func(h string) bool { return len(v.certs[h]) == 0 })
}

// serve accepts connections for m and echoes one byte at a time.
func serve(t *testing.T, m *Manager) (addr string) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", m.TLSConfig())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go echo(c)
		}
	}()
	return l.Addr().String()
}

func echo(c net.Conn) {
	defer c.Close()
	b := make([]byte, 1)
	for {
		if _, err := c.Read(b); err != nil {
			return
		}
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// trusting is a client that trusts nothing but ca. It asks for host, and for
// no name at all if host is an address.
func trusting(ca []byte, host string) *tls.Config {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &tls.Config{RootCAs: pool, ServerName: host, NextProtos: []string{"h2", "http/1.1"}}
}

func dial(t *testing.T, addr string, cfg *tls.Config) (*tls.Conn, error) {
	t.Helper()
	d := &net.Dialer{Timeout: 10 * time.Second}
	c, err := tls.DialWithDialer(d, "tcp", addr, cfg)
	if err == nil {
		t.Cleanup(func() { _ = c.Close() })
	}
	return c, err
}

// leaf is the certificate that host is served with, checked against m's CA.
func leaf(t *testing.T, m *Manager, addr, host string) *x509.Certificate {
	t.Helper()
	c, err := dial(t, addr, trusting(m.CAPEM(), host))
	if err != nil {
		t.Fatalf("handshake for %s: %v", host, err)
	}
	return c.ConnectionState().PeerCertificates[0]
}

var handshakeTests = []struct {
	name     string
	host     string // that the client wants
	wantName string // in the certificate
	wantErr  string
}{
	{name: "exact name", host: "registry.example.com", wantName: "registry.example.com"},
	{name: "in capitals", host: "REGISTRY.example.COM", wantName: "registry.example.com"},
	{name: "wildcard", host: "a.apps.example.com", wantName: "*.apps.example.com"},
	{name: "name before wildcard", host: "own.apps.example.com", wantName: "own.apps.example.com"},
	{name: "address, so no name", host: "127.0.0.1", wantName: "127.0.0.1"},
	{name: "single label", host: "localhost", wantName: "localhost"},
	{name: "two labels under a wildcard", host: "a.b.apps.example.com", wantErr: "unrecognized name"},
	{name: "the wildcard's own domain", host: "apps.example.com", wantErr: "unrecognized name"},
	{name: "neighbour that the CA might sign for", host: "other.example.com", wantErr: "unrecognized name"},
	{name: "stranger", host: "registry.example.org", wantErr: "unrecognized name"},
}

func TestHandshakes(t *testing.T) {
	t.Parallel()
	m := startManager(t, internal("registry.example.com", "*.apps.example.com", "own.apps.example.com", "127.0.0.1", "localhost"), openStore(t))
	addr := serve(t, m)
	for _, tt := range handshakeTests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := dial(t, addr, trusting(m.CAPEM(), tt.host))
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Fatalf("handshake for %s: %v, want %q", tt.host, err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatalf("handshake for %s: %v", tt.host, err)
			}
			got := namesOf(c.ConnectionState().PeerCertificates[0])
			if !slices.Equal(got, []string{tt.wantName}) {
				t.Errorf("handshake for %s: certificate of %v, want %s", tt.host, got, tt.wantName)
			}
			if p := c.ConnectionState().NegotiatedProtocol; p != "h2" {
				t.Errorf("negotiated %q, want h2", p)
			}
		})
	}
}

// A client that names no host may have come to an address that the gate does
// not know it has, as behind a NAT.
func TestHandshakeWithoutName(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		hosts []string
		want  string
	}{
		{[]string{"a.example.com", "10.1.2.3", "127.0.0.1"}, "127.0.0.1"},
		{[]string{"a.example.com", "10.1.2.3"}, "10.1.2.3"},
		{[]string{"a.example.com", "b.example.com"}, "a.example.com"},
	} {
		m := startManager(t, internal(tt.hosts...), openStore(t))
		c, err := dial(t, serve(t, m), &tls.Config{InsecureSkipVerify: true}) // its name is what is looked at
		if err != nil {
			t.Fatalf("hosts %v: %v", tt.hosts, err)
		}
		if got := namesOf(c.ConnectionState().PeerCertificates[0]); !slices.Equal(got, []string{tt.want}) {
			t.Errorf("hosts %v: certificate of %v, want %s", tt.hosts, got, tt.want)
		}
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	m := startManager(t, internal("a.example.com"), openStore(t))
	addr := serve(t, m)
	for _, tt := range []struct {
		name   string
		change func(*tls.Config)
		wantOK bool
	}{
		{"TLS 1.2", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, true},
		{"TLS 1.2 with CBC", func(c *tls.Config) {
			c.MaxVersion = tls.VersionTLS12
			c.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA}
		}, false},
		{"TLS 1.1", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, false},
	} {
		cfg := trusting(m.CAPEM(), "a.example.com")
		tt.change(cfg)
		if _, err := dial(t, addr, cfg); (err == nil) != tt.wantOK {
			t.Errorf("%s: %v, want success %t", tt.name, err, tt.wantOK)
		}
	}
}

func TestClientWithoutTheCARefuses(t *testing.T) {
	t.Parallel()
	m := startManager(t, internal("a.example.com"), openStore(t))
	_, err := dial(t, serve(t, m), &tls.Config{ServerName: "a.example.com", RootCAs: x509.NewCertPool()})
	if _, ok := err.(*tls.CertificateVerificationError); !ok {
		t.Errorf("handshake without the CA: %v, want a verification error", err)
	}
}

func TestProxiedHasNoTLS(t *testing.T) {
	t.Parallel()
	m, err := New(t.Context(), Config{Mode: ModeProxied, Hosts: []string{"a.example.com"}}, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	m.Start(t.Context())
	defer m.Close()
	if m.TLSConfig() != nil || m.CAPEM() != nil || m.CAFingerprint() != "" || m.Certificates() != nil {
		t.Errorf("mode proxied has TLS: %+v", m)
	}
}

func TestRestartFindsCAAndCertificates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cfg := internal("a.example.com", "10.0.0.1")
	every := brisk()
	every.reconcile = time.Hour // what is stored is there at once, not at the next look
	run := func(again bool) (ca string, serials []string) {
		st := openStoreAt(t, dir)
		defer st.Close()
		m, err := newManager(t.Context(), cfg, Deps{Store: st, CAFile: filepath.Join(dir, "ca.pem")}, every)
		if err != nil {
			t.Fatal(err)
		}
		m.Start(t.Context())
		defer m.Close()
		if <-m.Loaded(); again && !complete(m.shelf) {
			t.Error("loaded, and a handshake would find no certificate")
		}
		waitAll(t, m)
		for _, h := range cfg.Hosts {
			serials = append(serials, m.shelf.view.Load().certs[h][0].Leaf.SerialNumber.String())
		}
		return m.CAFingerprint(), serials
	}
	ca1, serials1 := run(false)
	ca2, serials2 := run(true)
	if ca1 != ca2 || !slices.Equal(serials1, serials2) {
		t.Errorf("after a restart CA %s and serials %v, before %s and %v", ca2, serials2, ca1, serials1)
	}
}
