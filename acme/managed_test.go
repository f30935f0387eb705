package acme

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/regate/regate/internal/state"
)

// eventually polls until ok, for as long as a loaded machine may take.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	end := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("never: %s", what)
		}
	}
}

// once is a host that no test has had: certmagic remembers for as long as the
// process which renewals failed.
func once() string { return strings.ToLower(rand.Text()) + ".example.com" }

func (m *Manager) serial(host string) string {
	return m.shelf.view.Load().certs[host][0].Leaf.SerialNumber.String()
}

func TestRenewalFailsNoHandshake(t *testing.T) {
	t.Parallel()
	cfg := internal("renewal.example.com")
	cfg.Internal.Lifetime = 9 * time.Second // due when 3 s are left, which is room for a slow machine
	m := startManager(t, cfg, openStore(t))
	addr := serve(t, m)
	open, err := dial(t, addr, trusting(m.CAPEM(), "renewal.example.com"))
	if err != nil {
		t.Fatal(err)
	}
	first := open.ConnectionState().PeerCertificates[0]
	eventually(t, "another certificate is served", func() bool {
		return leaf(t, m, addr, "renewal.example.com").SerialNumber.Cmp(first.SerialNumber) != 0
	})
	if err := ping(open); err != nil {
		t.Errorf("connection from before the renewal: %v", err)
	}
}

// ping sees whether the other end is still there.
func ping(c *tls.Conn) error {
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write([]byte("x")); err != nil {
		return err
	}
	_, err := c.Read(make([]byte, 1))
	return err
}

// P2: certmagic reads storage with its cache locked, and whoever wants to
// write the cache then holds up whoever wants to read it.
func TestP02HandshakeDoesNotWaitForStorage(t *testing.T) {
	t.Parallel()
	st := &faulty{Store: openStore(t)}
	cfg := internal("slow.example.com", "gone.example.com")
	cfg.Internal.Lifetime = 3 * time.Second // soon due, so that certmagic reads storage
	every := brisk()
	every.storage = time.Hour
	m, err := newManager(t.Context(), cfg, Deps{Store: st}, every)
	if err != nil {
		t.Fatal(err)
	}
	m.Start(t.Context())
	t.Cleanup(m.Close) // which does not wait for storage either
	waitAll(t, m)

	asked := make(chan string, 1)
	st.hang(asked)
	<-asked // the cache is locked by now, or will be: the certificates are due for good
	cfg.Hosts = cfg.Hosts[:1]
	soon, cancelSoon := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancelSoon()
	commit, err := m.Prepare(soon, cfg) // a reload needs no storage either
	if err != nil {
		t.Fatal(err)
	}
	commit() // and now somebody wants to write to it
	for range 3 {
		c, err := dial(t, serve(t, m), &tls.Config{ServerName: "slow.example.com", InsecureSkipVerify: true}) // it may be over
		if err != nil {
			t.Fatalf("handshake while storage hangs: %v", err)
		}
		_ = c.Close()
	}
}

// P3: certmagic gives up a host when storage fails at the start.
func TestP03StorageDownAtStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	real := openStoreAt(t, dir)
	cfg := internal("down.example.com")
	first := startManager(t, cfg, real)
	want := first.serial("down.example.com")
	first.Close()

	st := &faulty{Store: real}
	st.fail("Get", "certificates/")
	m := newTestManager(t, cfg, st)
	m.Start(t.Context())
	eventually(t, "the reason is known", func() bool {
		s := m.Certificates()[0]
		return s.Pending && s.NotAfter.IsZero() && s.Trouble.Reason == ReasonState && strings.Contains(s.Trouble.Detail, "state is down")
	})
	_, err := dial(t, serve(t, m), trusting(m.CAPEM(), "down.example.com"))
	if err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("handshake for a pending host: %v, want unrecognized name", err)
	}
	st.heal()
	waitAll(t, m)
	if got := m.serial("down.example.com"); got != want {
		t.Errorf("serial is %s, want %s: an outage has become an order", got, want)
	}
	if s := m.Certificates()[0]; s.Pending || s.NotAfter.IsZero() || s.Trouble.Failed() {
		t.Errorf("status after the outage: %+v", s)
	}
}

// Two gates on one store serve one certificate.
func TestTwoManagersShareCertificates(t *testing.T) {
	t.Parallel()
	st := openStore(t)
	cfg := internal("shared.example.com")
	one, two := newTestManager(t, cfg, st), newTestManager(t, cfg, st)
	one.Start(t.Context())
	two.Start(t.Context())
	waitAll(t, one)
	waitAll(t, two)
	if a, b := one.serial("shared.example.com"), two.serial("shared.example.com"); a != b {
		t.Errorf("two certificates, %s and %s", a, b)
	}
}

// What one gate renews, the others serve too, once they have looked.
func TestRenewalReachesTheOtherManager(t *testing.T) {
	t.Parallel()
	st := openStore(t)
	cfg := internal("renewed.example.com")
	cfg.Internal.Lifetime = 9 * time.Second
	one, two := startManager(t, cfg, st), startManager(t, cfg, st)
	first := one.serial("renewed.example.com")
	eventually(t, "both serve the same new certificate", func() bool {
		s := one.serial("renewed.example.com")
		return s != first && s == two.serial("renewed.example.com")
	})
}

// failing is an issuer that never issues.
type failing struct{}

func (failing) IssuerKey() string { return "failing" }

func (failing) Issue(context.Context, *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	return nil, errors.New("out of paper")
}

// planOf wants certificates for hosts from these issuers.
func planOf(issuers []certmagic.Issuer, hosts ...string) *plan {
	how := &policy{issuers: issuers, ratio: 1.0 / 3}
	return newPlan(hosts, func(string) *policy { return how }, false)
}

// startManaged runs a managed that does not look again by itself.
func startManaged(t *testing.T, store state.Store, p *plan) *managed {
	t.Helper()
	every := brisk()
	every.reconcile = time.Hour
	m := newManaged(newShelf(), store, every, zap.NewNop())
	m.follow(p)
	m.start(t.Context())
	t.Cleanup(m.close)
	return m
}

// certmagic retries for a month; each look at a host without a certificate
// would add a job that waits for the first.
func TestFailingOrderIsNotDoubled(t *testing.T) {
	t.Parallel()
	host, other, issuers := "failing.example.com", "failing2.example.com", []certmagic.Issuer{failing{}}
	m := startManaged(t, openStore(t), planOf(issuers, host))
	eventually(t, "the reason is known", func() bool { return strings.Contains(m.trouble(host).Detail, "out of paper") })
	for range 5 {
		m.reconcile(t.Context(), true) // in the place of its goroutine, which is idle
	}
	later := startManaged(t, openStore(t), planOf(issuers, other))
	eventually(t, "a later order has come as far", func() bool { return later.trouble(other).Failed() })
	if held, waiting := m.lockOf(host); !held || waiting > 0 {
		t.Errorf("orders for %s: %t, %d wait; want one, and none that waits", host, held, waiting)
	}
	m.follow(planOf(issuers, host))
	eventually(t, "a reload has begun it anew, and none waits", func() bool {
		held, waiting := m.lockOf(host)
		return held && waiting == 0
	})
}

// lockOf tells of certmagic's lock around getting host a certificate.
func (m *managed) lockOf(host string) (held bool, waiting int) {
	m.storage.mu.Lock()
	defer m.storage.mu.Unlock()
	l := m.storage.locks[issueLock(host)]
	if l == nil {
		return false, 0
	}
	return l.lease != nil, l.waiting
}

// Whoever comes next need not wait for leases to run out.
func TestCloseGivesLocksBack(t *testing.T) {
	t.Parallel()
	st, host := openStore(t), "closed.example.com"
	m := startManaged(t, st, planOf([]certmagic.Issuer{failing{}}, host))
	eventually(t, "it has failed, and will retry", func() bool { return m.trouble(host).Failed() })
	if err := m.storage.Lock(t.Context(), "stuck"); err != nil { // of a job that does not end
		t.Fatal(err)
	}
	m.close()
	next := testStorage(t, st)
	for _, name := range []string{issueLock(host), "stuck", "late"} {
		if ok, err := next.TryLock(t.Context(), name); !ok || err != nil {
			t.Errorf("TryLock(%s) after close = %t, %v", name, ok, err)
		}
	}
	if m.storage.keep("late", next.locks["late"].lease) {
		t.Error("what is closed kept a lock that came too late")
	}
}

// A host that goes takes its retries along.
func TestOrderOfAHostThatWentEnds(t *testing.T) {
	t.Parallel()
	host, issuers := "ended.example.com", []certmagic.Issuer{failing{}}
	m := startManaged(t, openStore(t), planOf(issuers, host))
	eventually(t, "it has failed", func() bool { return m.trouble(host).Failed() })
	m.follow(planOf(issuers))
	eventually(t, "its lock is given back", func() bool { return !m.storage.busy(issueLock(host)) })
}

// A job may have been cancelled too late to stop it.
func TestLastWordsOfAFormerPlan(t *testing.T) {
	t.Parallel()
	host, ca := "former.example.com", testRoot(t, "former.example.com")
	m := startManaged(t, openStore(t), internalPlan(ca, internal(host).withDefaults()))
	eventually(t, "it is there", func() bool { return len(m.cache.AllMatchingCertificates(host)) == 1 })
	former := (*m.configs.Load())[host]

	m.follow(planOf([]certmagic.Issuer{failing{}}, host))
	eventually(t, "the next plan is carried out", func() bool { return m.trouble(host).Failed() })
	if _, err := former.CacheManagedCertificate(t.Context(), host); err != nil {
		t.Fatal(err)
	}
	m.setTrouble(host, Trouble{})
	_ = former.OnEvent(t.Context(), "cert_failed", map[string]any{"identifier": host, "error": errors.New("too late")})
	if got := m.trouble(host); got.Failed() {
		t.Errorf("trouble = %+v", got)
	}
	m.reconcile(t.Context(), true) // in the place of its goroutine, which is idle
	if n := len(m.cache.AllMatchingCertificates(host)); n != 0 {
		t.Errorf("certmagic manages %d certificates of a former issuer", n)
	}

	m.shelf.setHosts([]string{"other.example.com"})
	m.shelf.put(host, &tls.Certificate{Leaf: ca.cert})
	if _, served := m.shelf.view.Load().certs[host]; served {
		t.Error("a host that went is back on the shelf")
	}
}

// certmagic tells of a certificate before it has it in its cache.
func TestRenewedCertificateStaysOnTheShelf(t *testing.T) {
	t.Parallel()
	host, ca := "swept.example.com", testRoot(t, "swept.example.com")
	m := startManaged(t, openStore(t), internalPlan(ca, internal(host).withDefaults()))
	eventually(t, "it is there", func() bool { return len(m.cached(host)) == 1 })
	block, _ := pem.Decode(pemOf(t, ca, time.Now().Add(2*time.Hour)))
	next, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	m.place(host, &tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: ca.key, Leaf: next})
	m.collect([]string{host})
	if got := m.shelf.view.Load().certs[host][0].Leaf; !got.Equal(next) {
		t.Error("the former certificate is back")
	}
}

func TestUnreadableCAIsNotReplaced(t *testing.T) {
	t.Parallel()
	st := &faulty{Store: openStore(t)}
	want := newTestManager(t, internal("a.example.com"), st).CAFingerprint()
	st.fail("Get", "tls/ca/")
	if _, err := New(t.Context(), internal("a.example.com"), Deps{Store: st}); !errors.Is(err, errDown) {
		t.Errorf("New while the CA cannot be read: %v, want %v", err, errDown)
	}
	st.heal()
	if got := newTestManager(t, internal("a.example.com"), st).CAFingerprint(); got != want {
		t.Errorf("CA is %s, want %s", got, want)
	}
}

func TestLogSaysWhatWasObtainedAndNoSecret(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zapcore.InfoLevel)
	m, err := newManager(t.Context(), internal("log.example.com"), Deps{Store: openStore(t), Log: zap.New(core)}, brisk())
	if err != nil {
		t.Fatal(err)
	}
	m.Start(t.Context())
	defer m.Close()
	waitAll(t, m)
	eventually(t, "a line about it", func() bool {
		l := logs.FilterMessage("certificate obtained").All()
		return len(l) == 1 && l[0].ContextMap()["host"] == "log.example.com"
	})
	for _, l := range logs.All() {
		if l.Message != "certificate obtained" {
			t.Errorf("beside it: %s %v", l.Message, l.ContextMap())
		}
	}
}

// Clients have the root; to send it costs each handshake 600 bytes.
func TestChainHasNoRoot(t *testing.T) {
	t.Parallel()
	m := startManager(t, internal("chain.example.com"), openStore(t))
	c, err := dial(t, serve(t, m), trusting(m.CAPEM(), "chain.example.com"))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.ConnectionState().PeerCertificates; len(got) != 1 || got[0].PublicKeyAlgorithm != x509.ECDSA {
		t.Errorf("served %d certificates, want the leaf alone", len(got))
	}
}
