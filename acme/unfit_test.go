package acme

import (
	"bytes"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/regate/regate/acme/acmestub"
	"github.com/regate/regate/acme/client"
	"github.com/regate/regate/acme/dns"
)

// observed starts a manager whose log is read.
func observed(t *testing.T, cfg Config, every intervals, cas ...*acmestub.Server) (*entrance, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zapcore.InfoLevel)
	m, err := newManager(t.Context(), cfg, Deps{Store: openStore(t), HTTP: true, Log: zap.New(core)}, every)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	e := listen(t, m, cas...)
	e.Start(t.Context())
	return e, logs
}

// With a chain of that many certificates, no handshake would succeed.
func TestFormerCertificateIsBetterThanAnUnfitOne(t *testing.T) {
	t.Parallel()
	ca, host := acmestub.New(t), once()
	ca.Lifetime = 9 * time.Second
	spoiled := new(atomic.Bool)
	ca.Chain = func(cert []byte) []byte {
		if spoiled.Swap(true) {
			return bytes.Repeat(cert, 1000)
		}
		return cert
	}
	e, _ := observed(t, online(t, []*acmestub.Server{ca}, host), brisk(), ca)
	waitAll(t, e.Manager)
	first := e.serial(host)
	eventually(t, "the renewal fails", func() bool { return e.Certificates()[0].Trouble.Reason == ReasonCADown })
	if got := e.serial(host); got != first {
		t.Errorf("serial is %s, want the former one, %s", got, first)
	}
	if _, err := dial(t, e.https, trusting(ca.CAPEM(), host)); err != nil {
		t.Errorf("handshake: %v", err)
	}
}

// Nobody would know that the first CA is of no use before the other one is not
// either.
func TestFallbackIsTold(t *testing.T) {
	t.Parallel()
	first, second := acmestub.New(t), acmestub.New(t)
	first.Chain = func([]byte) []byte { return []byte("sorry") }
	e, logs := observed(t, online(t, []*acmestub.Server{first, second}, "told-fallback.example.com"), brisk(), first, second)
	waitAll(t, e.Manager)
	if _, err := dial(t, e.https, trusting(second.CAPEM(), "told-fallback.example.com")); err != nil {
		t.Errorf("certificate is not of the second CA: %v", err)
	}
	lines := logs.FilterLevelExact(zapcore.WarnLevel).All()
	if len(lines) != 1 {
		t.Fatalf("%d warnings, want 1: %v", len(lines), lines)
	}
	f := lines[0].ContextMap()
	if f["host"] != "told-fallback.example.com" || f["reason"] != "ca_down" || !strings.Contains(f["error"].(string), "no PEM") || f["advice"] == "" {
		t.Errorf("warned %s %v", lines[0].Message, f)
	}
}

// A CA that wants each certificate back at once gets no orders without end.
func TestRenewalInfoThatIsAlwaysPast(t *testing.T) {
	t.Parallel()
	ca, host := acmestub.New(t), once()
	ca.RenewalInfo = func(string) (time.Time, time.Time) {
		return time.Now().Add(-2 * time.Hour), time.Now().Add(-time.Hour)
	}
	every := brisk()
	every.again = time.Hour
	e, logs := observed(t, online(t, []*acmestub.Server{ca}, host), every, ca)
	eventually(t, "it is told", func() bool { return logs.FilterMessageSnippet("is due as soon as it is renewed").Len() > 0 })
	if n := len(ca.Orders()); n != 2 || e.Certificates()[0].Trouble.Failed() {
		t.Errorf("%d orders, want 2; status %+v", n, e.Certificates()[0])
	}
}

// What a public CA has signed counts there.
func TestUnfitCertificatesCount(t *testing.T) {
	t.Parallel()
	m := newTestManager(t, public("unfit.example.com"), openStore(t)).managed
	for range 2 {
		m.fail("unfit.example.com", issuerError{issuer: "letsencrypt", err: client.Unfit{Err: errors.New("has expired")}})
	}
	if err := m.pace.allow("unfit.example.com"); !errors.Is(err, errTooSoon) {
		t.Errorf("after two: %v, want %v", err, errTooSoon)
	}
}

// An order must not end while the gate looks for its own record.
func TestOrdersWaitForRecords(t *testing.T) {
	wait := 40 * time.Minute
	for want, cfg := range map[time.Duration]ACME{
		0:                {},
		2 * time.Minute:  {DNS: &dns.Config{}},
		45 * time.Minute: {DNS: &dns.Config{PropagationTimeout: &wait, PropagationDelay: 5 * time.Minute}},
	} {
		if got := cfg.proof(); got != want {
			t.Errorf("proof takes %s, want %s", got, want)
		}
	}
}
