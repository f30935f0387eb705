package acme

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/regate/regate/acme/acmestub"
	"github.com/regate/regate/internal/state"
)

// online is a Config that gets certificates from these CAs.
func online(t *testing.T, cas []*acmestub.Server, hosts ...string) Config {
	t.Helper()
	c := Config{Hosts: hosts, ACME: ACME{First: CA{Email: "ops@example.com"}}}
	for i, ca := range cas {
		one := CA{CA: ca.Directory(), TrustedRoots: tempFile(t, "roots.pem", ca.RootsPEM())}
		if i == 0 {
			one.Email = c.ACME.First.Email
			c.ACME.First = one
		} else {
			c.ACME.Fallback = append(c.ACME.Fallback, one)
		}
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c
}

func tempFile(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// An entrance is a gate's listeners, which CAs look at.
type entrance struct {
	*Manager
	https, plain string
}

// enter opens the listeners of a manager that has not been started.
func enter(t *testing.T, cfg Config, store state.Store, cas ...*acmestub.Server) *entrance {
	t.Helper()
	e, err := newManager(t.Context(), cfg, Deps{Store: store, HTTP: true}, brisk())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return listen(t, e, cas...)
}

func listen(t *testing.T, m *Manager, cas ...*acmestub.Server) *entrance {
	t.Helper()
	e := &entrance{Manager: m}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
	s.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
	s.Listener = tls.NewListener(s.Listener, m.TLSConfig())
	s.Start()
	t.Cleanup(s.Close)
	p := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !m.ServeChallenge(w, r) {
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(p.Close)
	e.https, e.plain = s.Listener.Addr().String(), p.Listener.Addr().String()
	for _, ca := range cas {
		ca.Point(e.https, e.plain)
	}
	return e
}

// obtain starts a manager and waits until each host has a certificate.
func obtain(t *testing.T, cfg Config, store state.Store, cas ...*acmestub.Server) *entrance {
	t.Helper()
	e := enter(t, cfg, store, cas...)
	e.Start(t.Context())
	waitAll(t, e.Manager)
	return e
}

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
	m, err := newManager(t.Context(), online(t, []*acmestub.Server{ca}, "nohttp.example.com"), Deps{Store: openStore(t)}, brisk())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
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

func TestFallback(t *testing.T) {
	t.Parallel()
	first, second := acmestub.New(t), acmestub.New(t)
	second.EAB = map[string]string{"kid-1": "c2VjcmV0"}
	cfg := online(t, []*acmestub.Server{first, second}, "fallback.example.com")
	cfg.ACME.Fallback[0].EAB = EAB{KeyID: "kid-1", HMACKeyFile: tempFile(t, "eab", []byte("c2VjcmV0\n"))}
	first.Fail("new-order", 1, acmestub.Problem{Status: 429, Type: "rateLimited", Detail: "too many"})
	e := obtain(t, cfg, openStore(t), first, second)
	if _, err := dial(t, e.https, trusting(second.CAPEM(), "fallback.example.com")); err != nil {
		t.Errorf("certificate is not of the second CA: %v", err)
	}
	if s := e.Certificates()[0]; s.Trouble.Failed() {
		t.Errorf("status is %+v", s)
	}
}

// What the operator reads when no CA signs, and what of it is logged.
func TestFailureIsToldOnce(t *testing.T) {
	t.Parallel()
	first, second := acmestub.New(t), acmestub.New(t)
	first.Fail("finalize", 9, acmestub.Problem{Status: 403, Type: "caa", Detail: "CAA forbids"})
	second.Fail("new-account", 9, acmestub.Problem{Status: 401, Type: "externalAccountRequired", Detail: "need EAB"})
	core, logs := observer.New(zapcore.InfoLevel)
	m, err := newManager(t.Context(), online(t, []*acmestub.Server{first, second}, "told.example.com"),
		Deps{Store: openStore(t), HTTP: true, Log: zap.New(core)}, brisk())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	listen(t, m, first, second).Start(t.Context())
	eventually(t, "the trouble is known", func() bool { return m.Certificates()[0].Trouble.Failed() })
	s := m.Certificates()[0]
	if s.Trouble.Reason != ReasonCAA || !strings.Contains(s.Trouble.Detail, "need EAB") || s.Trouble.Advice == "" || !s.Pending {
		t.Errorf("status is %+v", s)
	}
	eventually(t, "it is logged", func() bool { return logs.FilterMessage("certificate not obtained").Len() > 0 })
	for _, l := range logs.FilterLevelExact(zapcore.ErrorLevel).All() {
		f := l.ContextMap()
		if l.Message != "certificate not obtained" || f["reason"] != "caa" || f["advice"] != s.Trouble.Advice || f["host"] != "told.example.com" {
			t.Errorf("logged %s %v", l.Message, f)
		}
	}
	if n := logs.FilterLevelExact(zapcore.ErrorLevel).Len(); n != 1 {
		t.Errorf("%d lines about one failure", n)
	}
}

// Whoever reloads has mended something, and does not want to wait.
func TestReloadTriesAgain(t *testing.T) {
	t.Parallel()
	ca := acmestub.New(t)
	ca.Fail("new-order", 99, acmestub.Problem{Status: 500, Type: "serverInternal", Detail: "out of paper"})
	cfg := online(t, []*acmestub.Server{ca}, "again.example.com")
	e := enter(t, cfg, openStore(t), ca)
	e.Start(t.Context())
	eventually(t, "it has failed", func() bool { return e.Certificates()[0].Trouble.Failed() })
	ca.Heal()
	commit, err := e.Prepare(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	commit()
	waitAll(t, e.Manager)
	if s := e.Certificates()[0]; s.Trouble.Failed() {
		t.Errorf("status is %+v", s)
	}
}

// An order that runs is not begun anew because something else has changed.
func TestReloadLeavesOrdersAlone(t *testing.T) {
	t.Parallel()
	ca := acmestub.New(t)
	cfg := online(t, []*acmestub.Server{ca}, "stays.example.com")
	m := newTestManager(t, cfg, openStore(t))
	first := m.managed.plan.Load()
	prepare := func(cfg Config) *plan {
		t.Helper()
		commit, err := m.Prepare(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		commit()
		return m.managed.plan.Load()
	}
	cfg.Hosts = append(cfg.Hosts, "more.example.com")
	if !first.sameOrder(prepare(cfg), "stays.example.com") {
		t.Error("another host begins all orders anew")
	}
	eab := tempFile(t, "eab", []byte("c2VjcmV0"))
	cfg.ACME.First.EAB = EAB{KeyID: "k", HMACKeyFile: eab}
	second := prepare(cfg)
	if first.sameOrder(second, "stays.example.com") || !first.sameIssuers(second, "stays.example.com") {
		t.Error("an order goes on without the new EAB, or a certificate is thrown away")
	}
	if err := os.WriteFile(eab, []byte("b3RoZXI"), 0o600); err != nil {
		t.Fatal(err)
	}
	if second.sameOrder(prepare(cfg), "stays.example.com") {
		t.Error("an order goes on with what was in the file")
	}
}

// No CA signs for what nobody could keep.
func TestNoOrderWhileStateCannotBeWritten(t *testing.T) {
	t.Parallel()
	ca, st := acmestub.New(t), &faulty{Store: openStore(t)}
	st.fail("Put", "tls/")
	e := enter(t, online(t, []*acmestub.Server{ca}, "full.example.com"), st, ca)
	e.Start(t.Context())
	eventually(t, "the reason is known", func() bool { return e.Certificates()[0].Trouble.Reason == ReasonState })
	if n := ca.Asked("directory") + ca.Asked("new-account") + len(ca.Orders()); n != 0 {
		t.Errorf("the CA was asked %d times", n)
	}
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

func TestCheckReadsFiles(t *testing.T) {
	t.Parallel()
	none := filepath.Join(t.TempDir(), "none")
	empty := tempFile(t, "empty", nil)
	cfg := with(public("a.example.com"), func(a *ACME) {
		a.First = CA{Email: "o@example.com", EAB: EAB{KeyID: "k", HMACKeyFile: empty}, TrustedRoots: none, AccountKeyFile: empty}
		a.Fallback = []CA{{CA: "zerossl", TrustedRoots: empty, EAB: someEAB}}
	})
	want := []string{
		"acme.eab.hmac_key_file: " + empty + " is no key in base64url",
		"acme.trusted_roots: open " + none + ": no such file or directory",
		"acme.account_key_file: " + empty + " holds no private key in PEM",
		"acme.fallback[0].trusted_roots: " + empty + " holds no certificate in PEM",
	}
	if got := lines(Check(cfg)); got != strings.Join(want, "\n") {
		t.Errorf("Check =\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	if _, err := New(t.Context(), cfg, Deps{Store: openStore(t)}); lines(err) != strings.Join(want, "\n") {
		t.Errorf("New = %v", err)
	}
}

var policyTests = []struct {
	name string
	acme ACME
	host string
	want []string
}{
	{"name", ACME{}, "a.example.com", []string{"acme-v02.api.letsencrypt.org-directory"}},
	{"address", ACME{}, "192.0.2.1", []string{"acme-v02.api.letsencrypt.org-directory-shortlived"}},
	{"name with a profile", ACME{First: CA{Profile: "tlsserver"}}, "a.example.com", []string{"acme-v02.api.letsencrypt.org-directory-tlsserver"}},
	{"address despite a profile", ACME{First: CA{Profile: "tlsserver"}}, "192.0.2.1", []string{"acme-v02.api.letsencrypt.org-directory-shortlived"}},
	{"address that the first CA has none for", ACME{First: CA{CA: "zerossl", EAB: someEAB}, Fallback: []CA{{CA: "letsencrypt"}}}, "192.0.2.1",
		[]string{"acme-v02.api.letsencrypt.org-directory-shortlived"}},
	{"private name at one of two CAs", ACME{Fallback: []CA{{CA: "https://ca.local:9000/acme/acme/directory", Profile: "X"}}}, "a.local",
		[]string{"ca.local-9000-acme-acme-directory-x"}},
	{"both", ACME{Fallback: []CA{{CA: "zerossl", EAB: someEAB}}}, "a.example.com",
		[]string{"acme-v02.api.letsencrypt.org-directory", "acme.zerossl.com-v2-dv90"}},
}

func TestPolicies(t *testing.T) {
	for _, tt := range policyTests {
		a, err := readAuthorities(tt.acme.withDefaults())
		if err != nil {
			t.Fatal(err)
		}
		p := a.policy(tt.host)
		if got := p.issuerKeys(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: issuers of %s = %q, want %q", tt.name, tt.host, got, tt.want)
		}
		if short := strings.HasSuffix(tt.want[0], "shortlived"); short != (p.ratio == 0.5) {
			t.Errorf("%s: renewed when %v is left", tt.name, p.ratio)
		}
		if a.policy(tt.host) != p {
			t.Errorf("%s: the next host has another policy", tt.name)
		}
	}
}
