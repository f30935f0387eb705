package acme

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	rfc8555 "github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/regate/regate/acme/acmestub"
)

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

// Whoever reloads has mended something, and does not want to wait. A file that
// changed elsewhere says nothing of that: each time would be one more failure
// in the CA's count.
func TestRetry(t *testing.T) {
	t.Parallel()
	ca := acmestub.New(t)
	ca.Fail("new-order", 99, acmestub.Problem{Status: 500, Type: "serverInternal", Detail: "out of paper"})
	cfg := online(t, []*acmestub.Server{ca}, "again.example.com")
	e := enter(t, cfg, openStore(t), ca)
	e.Start(t.Context())
	eventually(t, "it has failed", func() bool { return e.Certificates()[0].Trouble.Failed() })
	commit, err := e.Prepare(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	plan, asked := e.managed.plan.Load(), ca.Asked("new-order")
	commit()
	if e.managed.plan.Load() != plan || ca.Asked("new-order") != asked {
		t.Error("a reload that changed nothing has tried again")
	}
	ca.Heal()
	e.Retry()
	waitAll(t, e.Manager)
	if s := e.Certificates()[0]; s.Trouble.Failed() {
		t.Errorf("status is %+v", s)
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

// A certificate that was signed and then lost is one of the few that a host may
// have in a week, so somebody must be told.
func TestCertificateThatCannotBeKept(t *testing.T) {
	t.Parallel()
	ca, st := acmestub.New(t), &faulty{Store: openStore(t)}
	full := new(atomic.Bool) // as soon as the CA has signed
	st.set(func(_ context.Context, op, key string) error {
		if op == "Put" && strings.HasSuffix(key, "/bundle") {
			full.Store(true)
		}
		if op == "Put" && full.Load() {
			return errDown
		}
		return nil
	})
	e := enter(t, online(t, []*acmestub.Server{ca}, "kept.example.com"), st, ca)
	e.Start(t.Context())
	eventually(t, "the reason is known", func() bool { return e.Certificates()[0].Trouble.Reason == ReasonState })
	st.heal()
	waitAll(t, e.Manager) // sooner than certmagic would try again
	eventually(t, "nothing is wrong any more", func() bool { return !e.Certificates()[0].Trouble.Failed() })
	if n := len(ca.Orders()); n != 2 {
		t.Errorf("%d orders, want one that was lost, and one more", n)
	}
}

// A state that takes all but certificates must not use up those that a host may
// have.
func TestLostCertificateIsOrderedAgainOnce(t *testing.T) {
	t.Parallel()
	m := newManaged(newShelf(), openStore(t), brisk(), zap.NewNop())
	m.cache = certmagic.NewCache(certmagic.CacheOptions{GetConfigForCert: m.configFor})
	t.Cleanup(m.cache.Stop)
	m.storage.lost["lost.example.com"] = true
	for n, wantEnded := range []bool{true, false, false} {
		ended := 0
		for _, host := range []string{"lost.example.com", "other.example.com"} {
			m.orders[host] = order{t.Context(), func() { ended++ }}
		}
		m.revive()
		if _, ok := m.orders["lost.example.com"]; ok == wantEnded || (ended == 1) != wantEnded || m.orders["other.example.com"].ctx == nil {
			t.Errorf("time %d: %d orders ended, %v are left", n, ended, m.orders)
		}
	}
}

func TestPublicCAIsNotAskedTooOften(t *testing.T) {
	t.Parallel()
	m := newTestManager(t, public("paced.example.com"), openStore(t)).managed
	p, unreachable := m.plan.Load(), rfc8555.Problem{Type: rfc8555.ProblemTypeConnection, Status: 400}
	attempt := func(err error) error {
		refused := m.onEvent(t.Context(), p, "cert_obtaining", map[string]any{"identifier": "paced.example.com"})
		if refused == nil {
			_ = m.onEvent(t.Context(), p, "cert_failed", map[string]any{"identifier": "paced.example.com", "error": err})
		}
		return refused
	}
	for range 3 {
		if err := attempt(errors.New("dial tcp: no route to host")); err != nil {
			t.Errorf("a CA that is down is not asked again: %v", err)
		}
	}
	for n := range 2 {
		if err := attempt(unreachable); err != nil {
			t.Errorf("attempt %d: %v", n, err)
		}
	}
	if err := attempt(unreachable); !errors.Is(err, errTooSoon) {
		t.Errorf("third attempt: %v, want %v", err, errTooSoon)
	}
	if got := m.trouble("paced.example.com"); got.Reason != ReasonUnreachable {
		t.Errorf("trouble while nobody is asked: %+v", got)
	}
	m.follow(p)
	if err := attempt(unreachable); err != nil {
		t.Errorf("after a reload: %v", err)
	}
}

// A breakable issuer can be out of order.
type breakable struct {
	issuer
	broken *atomic.Bool
}

func (b breakable) Issue(ctx context.Context, csr *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	if b.broken.Load() {
		return nil, errors.New("out of paper")
	}
	return b.issuer.Issue(ctx, csr)
}

// Another replica may have more luck.
func TestRenewalByAnotherEndsTheTrouble(t *testing.T) {
	t.Parallel()
	host, store := once(), openStore(t)
	works := issuer{ca: testRoot(t, host), hosts: []string{host}, lifetime: 3 * time.Second}
	broken := breakable{works, new(atomic.Bool)}
	m := newManaged(newShelf(), store, brisk(), zap.NewNop())
	m.follow(planOf([]certmagic.Issuer{broken}, host))
	m.start(t.Context())
	t.Cleanup(m.close)
	eventually(t, "it has a certificate", func() bool { return complete(m.shelf) })
	broken.broken.Store(true)
	eventually(t, "the renewal has failed", func() bool { return m.trouble(host).Failed() })
	startManaged(t, store, planOf([]certmagic.Issuer{works}, host))
	eventually(t, "the trouble is over", func() bool { return !m.trouble(host).Failed() })
}
