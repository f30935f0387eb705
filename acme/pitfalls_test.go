package acme

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	rfc8555 "github.com/mholt/acmez/v3/acme"

	"github.com/regate/regate/acme/acmestub"
	"github.com/regate/regate/internal/state"
)

// What is known to go wrong with certmagic and ACME, and where it is tested
// that it does not go wrong here.
//
//	P1  retries ask a test CA            TestP01RetriesAskTheSameCA
//	P2  handshakes wait for storage      TestP02HandshakeDoesNotWaitForStorage (managed_test.go), TestP02StorageHasADeadline (storage_test.go)
//	P3  storage fails at the start       TestP03StorageDownAtStart (managed_test.go), TestP03StorageDownAtStartOrdersNothing
//	P4  an outage looks like absence     TestP04OutageIsNotAbsence, TestP04AbsenceIsAskedTwice (storage_test.go)
//	P5  locks outlive a crash for hours  TestP05CrashDoesNotLockOut, and of holders TestP05LocksAreHeldByHeartbeat,
//	                                     TestP05LostLockEndsTheAttempt, TestP05LostLockCannotWrite (storage_test.go)
//	P6  strangers make storage work      TestP06ChallengesOfStrangersAskNoStorage
//	P7  another issuer goes unnoticed    TestP07ReloadChangesCA (reload_test.go), TestP07ReloadChangesProfile
//	P8  one key type, one name           TestP08OneNameAndKeyPerCertificate
//	P9  wildcards                        TestP09WildcardSparesItsHosts
//	P10 replaced already                 TestP10ReplacedAlready (renewalinfo_test.go)
//	P11 bursts of renewal info           TestP11RenewalInfoIsAskedByOne (renewalinfo_test.go)
//	P12 certmagic's FileStorage          not used: the storage is the state
//	P13 parts of a write                 TestP13CrashBetweenPartsLeavesTheOldCertificate (storage_test.go)
//	P14 waiting for the first            TestP14PendingHostAnswersItsChallenge; readiness is tested with the gate
//	P15 all replicas at once             needs two gates on one store; here TestTwoManagersShareCertificates (managed_test.go)
//	P16 the account is lost              TestP16OneAccount, TestP16AccountKeyFromAFile

// present opens a question about host, as an order does.
func present(t *testing.T, m *Manager, kind, host string) rfc8555.Challenge {
	t.Helper()
	ch := rfc8555.Challenge{Type: kind, Token: "some-token", KeyAuthorization: "some-token.thumbprint"}
	ch.Identifier = rfc8555.Identifier{Type: "dns", Value: host}
	s := m.challenges.Solvers(kind)[kind]
	if err := s.Present(t.Context(), ch); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.CleanUp(context.Background(), ch) })
	return ch
}

func certRequest(t *testing.T, host string) *x509.CertificateRequest {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{}, DNSNames: []string{host}}, key)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	return csr
}

// certmagic's own issuer asks Let's Encrypt's staging from the second attempt
// on, and answers to that only what the gate that asked can see.
func TestP01RetriesAskTheSameCA(t *testing.T) {
	t.Parallel()
	ca := acmestub.New(t)
	e := enter(t, online(t, []*acmestub.Server{ca}, "p01.example.com"), openStore(t), ca)
	issuer := e.managed.plan.Load().wants["p01.example.com"].issuers[0]
	for attempts := range 3 {
		ctx := context.WithValue(t.Context(), certmagic.AttemptsCtxKey, &attempts)
		if _, err := issuer.Issue(ctx, certRequest(t, "p01.example.com")); err != nil {
			t.Fatalf("attempt %d: %v", attempts, err)
		}
		if n := len(ca.Orders()); n != attempts+1 {
			t.Errorf("after attempt %d the CA has %d orders", attempts, n)
		}
	}
}

func TestP03StorageDownAtStartOrdersNothing(t *testing.T) {
	t.Parallel()
	ca, st := acmestub.New(t), &faulty{Store: openStore(t)}
	cfg := online(t, []*acmestub.Server{ca}, "p03.example.com")
	first := obtain(t, cfg, st, ca)
	want := first.serial("p03.example.com")
	first.Close()

	st.fail("Get", "")
	e := enter(t, cfg, st, ca)
	e.Start(t.Context())
	eventually(t, "the reason is known", func() bool {
		s := e.Certificates()[0]
		return s.Pending && s.Trouble.Reason == ReasonState
	})
	st.heal()
	waitAll(t, e.Manager)
	if got := e.serial("p03.example.com"); got != want || len(ca.Orders()) != 1 {
		t.Errorf("serial %s, want %s; orders %+v", got, want, ca.Orders())
	}
}

// counting counts the operations on a store.
type counting struct {
	state.Store
	n atomic.Int64
}

func (c *counting) Get(ctx context.Context, key string) (state.Value, error) {
	c.n.Add(1)
	return c.Store.Get(ctx, key)
}

func TestP06ChallengesOfStrangersAskNoStorage(t *testing.T) {
	t.Parallel()
	ca, st := acmestub.New(t), &counting{Store: openStore(t)}
	cfg := online(t, []*acmestub.Server{ca}, "p06.example.com")
	e := enter(t, cfg, st) // and not started, so that nobody else asks
	ch := present(t, e.Manager, challengeHTTP, "p06.example.com")
	before := st.n.Load()
	for _, host := range []string{"p06.example.com", "stranger.example.com", "7.2.0.192.in-addr.arpa", ""} {
		_, err := dial(t, e.https, &tls.Config{ServerName: host, NextProtos: []string{"acme-tls/1"}, InsecureSkipVerify: true})
		if err == nil {
			t.Errorf("handshake of a challenge that nobody sent for %q succeeded", host)
		}
	}
	for _, tt := range []struct {
		host, method, path string
		want               int
	}{
		{"p06.example.com", "GET", "some-token", 200},
		{"P06.example.com:80", "GET", "some-token", 200},
		{"p06.example.com", "POST", "some-token", 404},
		{"p06.example.com", "GET", "another-token", 404},
		{"p06.example.com", "GET", "", 404},
		{"stranger.example.com", "GET", "some-token", 404},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(tt.method, "http://"+tt.host+"/.well-known/acme-challenge/"+tt.path, nil)
		if !e.ServeChallenge(w, r) {
			w.WriteHeader(http.StatusNotFound)
		}
		if w.Code != tt.want || (w.Code == 200 && w.Body.String() != ch.KeyAuthorization) {
			t.Errorf("%s %s of %s = %d %q, want %d", tt.method, tt.path, tt.host, w.Code, w.Body, tt.want)
		}
	}
	if n := st.n.Load() - before; n != 0 {
		t.Errorf("the storage was asked %d times", n)
	}
}

func TestP07ReloadChangesProfile(t *testing.T) {
	t.Parallel()
	ca := acmestub.New(t)
	ca.Profiles = []string{"short", "long"}
	cfg := online(t, []*acmestub.Server{ca}, "p07.example.com")
	e := obtain(t, cfg, openStore(t), ca)
	first := e.serial("p07.example.com")
	cfg.ACME.First.Profile = "short"
	commit, err := e.Prepare(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	commit()
	eventually(t, "a certificate of the profile is served, and the former one until then", func() bool {
		if _, err := dial(t, e.https, trusting(ca.CAPEM(), "p07.example.com")); err != nil {
			t.Fatalf("handshake while the profile changes: %v", err)
		}
		return e.serial("p07.example.com") != first
	})
	if o := ca.Orders(); len(o) != 2 || o[0].Profile != "" || o[1].Profile != "short" {
		t.Errorf("orders are %+v", o)
	}
	if n := ca.Asked("new-account"); n != 1 {
		t.Errorf("%d accounts for two profiles", n)
	}
}

func TestP08OneNameAndKeyPerCertificate(t *testing.T) {
	t.Parallel()
	ca := acmestub.New(t)
	hosts := []string{"a.p08.example.com", "b.p08.example.com"}
	e := obtain(t, online(t, []*acmestub.Server{ca}, hosts...), openStore(t), ca)
	var keys []any
	for _, host := range hosts {
		cert := e.shelf.view.Load().certs[host][0].Leaf
		if key, ok := cert.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() || slices.ContainsFunc(keys, func(k any) bool { return key.Equal(k.(*ecdsa.PublicKey)) }) {
			t.Errorf("key of %s is %v", host, cert.PublicKey)
		}
		keys = append(keys, cert.PublicKey)
		if !slices.Equal(cert.DNSNames, []string{host}) {
			t.Errorf("certificate of %s is for %q", host, cert.DNSNames)
		}
	}
}

// CAs count certificates of a domain, and DNS-01 takes minutes.
func TestP09WildcardSparesItsHosts(t *testing.T) {
	t.Parallel()
	hosts := []string{"a.p09.example.com", "*.p09.example.com", "p09.example.com", "a.b.p09.example.com"}
	ca := testRoot(t, "p09.example.com")
	how := &policy{issuers: []certmagic.Issuer{issuer{ca: ca, hosts: hosts, lifetime: time.Hour}}, ratio: 0.5}
	m := startManaged(t, openStore(t), newPlan(hosts, func(string) *policy { return how }, true))
	eventually(t, "all have a certificate", func() bool { return complete(m.shelf) })
	certs := m.shelf.view.Load().certs
	if own := certs["a.p09.example.com"][0]; own != certs["*.p09.example.com"][0] {
		t.Errorf("a host of the wildcard has a certificate of its own: %v", own.Leaf.DNSNames)
	}
	if n := len(m.orders); n != 3 {
		t.Errorf("%d orders, want 3", n)
	}

	m.setTrouble("*.p09.example.com", Trouble{Reason: ReasonDNS})
	if got := m.trouble("a.p09.example.com"); got.Reason != ReasonDNS {
		t.Errorf("trouble of a host of the wildcard is %+v", got)
	}

	next := newPlan(hosts[:1], func(string) *policy { return how }, true) // the wildcard goes
	m.follow(next)
	eventually(t, "the host has its own, and is served until then", func() bool {
		return m.shelf.view.Load().certs["a.p09.example.com"][0].Leaf.DNSNames[0] == "a.p09.example.com"
	})
}

// A balancer that waits for readiness before it sends anybody would keep the
// CA away, and so the certificate.
func TestP14PendingHostAnswersItsChallenge(t *testing.T) {
	t.Parallel()
	ca := acmestub.New(t)
	e := enter(t, online(t, []*acmestub.Server{ca}, "p14.example.com"), openStore(t))
	if s := e.Certificates()[0]; !s.Pending || s.Trouble.Failed() {
		t.Errorf("status before the start: %+v", s)
	}
	if _, err := dial(t, e.https, trusting(ca.CAPEM(), "p14.example.com")); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("handshake for a pending host: %v, want unrecognized name", err)
	}
	present(t, e.Manager, challengeALPN, "p14.example.com")
	c, err := dial(t, e.https, &tls.Config{ServerName: "p14.example.com", NextProtos: []string{"acme-tls/1"}, InsecureSkipVerify: true})
	if err != nil || c.ConnectionState().NegotiatedProtocol != "acme-tls/1" {
		t.Errorf("challenge for a pending host: %v", err)
	}
	if _, err := dial(t, e.https, trusting(ca.CAPEM(), "p14.example.com")); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("handshake beside a challenge: %v, want unrecognized name", err)
	}
}

func TestP16OneAccount(t *testing.T) {
	t.Parallel()
	ca, store := acmestub.New(t), openStore(t)
	one := obtain(t, online(t, []*acmestub.Server{ca}, "one.p16.example.com"), store, ca)
	obtain(t, online(t, []*acmestub.Server{ca}, "two.p16.example.com"), store, ca)
	o := ca.Orders()
	if ca.Asked("new-account") != 1 || o[0].Account != o[1].Account {
		t.Errorf("orders are %+v", o)
	}

	ca.Forget() // as a CA that was set up anew
	cfg := online(t, []*acmestub.Server{ca}, "one.p16.example.com", "three.p16.example.com")
	commit, err := one.Prepare(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ca.Point(one.https, one.plain)
	commit()
	waitAll(t, one.Manager)
	if n := ca.Asked("new-account"); n != 2 {
		t.Errorf("%d accounts made, want 2", n)
	}
}

// The key of an EAB may be good for one account: a gate that has lost its state
// must not need another.
func TestP16AccountKeyFromAFile(t *testing.T) {
	t.Parallel()
	ca := acmestub.New(t)
	ca.EAB = map[string]string{"kid-1": "c2VjcmV0"}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := certmagic.PEMEncodePrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cfg := online(t, []*acmestub.Server{ca}, "key.p16.example.com")
	cfg.ACME.First.AccountKeyFile = tempFile(t, "account.key", pem)
	cfg.ACME.First.EAB = EAB{KeyID: "kid-1", HMACKey: "c2VjcmV0"}
	obtain(t, cfg, openStore(t), ca)

	ca.EAB = map[string]string{} // used up
	obtain(t, cfg, openStore(t), ca)
	if o := ca.Orders(); len(o) != 2 || o[0].Account != o[1].Account {
		t.Errorf("orders are %+v", o)
	}
}
