package acme

import (
	"context"
	"crypto/x509"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	rfc8555 "github.com/mholt/acmez/v3/acme"

	"github.com/regate/regate/acme/acmestub"
	"github.com/regate/regate/internal/state"
)

// Servers say that a certificate has been replaced when the answer to the order
// that did it was lost, and they forget certificates. Without the mark the
// order is one like any other.
func TestP10ReplacedAlready(t *testing.T) {
	t.Parallel()
	for _, p := range []acmestub.Problem{
		{Status: 409, Type: "alreadyReplaced", Detail: "has been replaced"},
		{Status: 409, Type: "conflict", Detail: "has been replaced"},
		{Status: 404, Type: "malformed", Detail: "no such certificate"},
	} {
		t.Run(p.Type, func(t *testing.T) {
			t.Parallel()
			ca, host := acmestub.New(t), "p10-"+strings.ToLower(p.Type)+".example.com"
			ca.Lifetime = 3 * time.Second
			ca.RenewalInfo = func(string) (time.Time, time.Time) { return time.Now().Add(time.Hour), time.Now().Add(2 * time.Hour) }
			e := obtain(t, online(t, []*acmestub.Server{ca}, host), openStore(t), ca)
			first := e.serial(host)
			ca.Fail("new-order", 1, p)
			eventually(t, "it is renewed all the same", func() bool { return e.serial(host) != first })
			if o := ca.Orders(); o[1].Replaces != "" {
				t.Errorf("the order after the refusal replaces %q", o[1].Replaces)
			}
			second := e.serial(host)
			eventually(t, "and the next one says again what it replaces", func() bool {
				o := ca.Orders()
				return e.serial(host) != second && len(o) > 2 && strings.Contains(o[2].Replaces, ".")
			})
		})
	}
}

// Replicas, and the looks of one, would all ask when the time has come.
func TestP11RenewalInfoIsAskedByOne(t *testing.T) {
	t.Parallel()
	ca, host, st := acmestub.New(t), "p11.example.com", &acquiring{Store: openStore(t)}
	ca.RenewalInfo = func(string) (time.Time, time.Time) {
		return time.Now().Add(10 * 24 * time.Hour), time.Now().Add(20 * 24 * time.Hour)
	}
	e := obtain(t, online(t, []*acmestub.Server{ca}, host), st, ca)
	eventually(t, "the server is asked again after its Retry-After", func() bool { return ca.Asked("renewal-info") >= 2 })
	peer := testStorage(t, st.Store)
	name := "ari_" + ariID(t, e.shelf.view.Load().certs[host][0].Leaf)
	eventually(t, "somebody else is at it", func() bool { ok, err := peer.TryLock(t.Context(), name); return ok && err == nil })
	asked, tried := ca.Asked("renewal-info"), st.n.Load()
	eventually(t, "five looks have found the lock taken", func() bool { return st.n.Load() >= tried+5 })
	if got := ca.Asked("renewal-info"); got != asked {
		t.Errorf("the server was asked %d times by others than the holder of the lock", got-asked)
	}
	if len(ca.Orders()) != 1 {
		t.Errorf("orders are %+v", ca.Orders())
	}
}

// acquiring counts who wants to ask for renewal info.
type acquiring struct {
	state.Store
	n atomic.Int64
}

func (a *acquiring) Acquire(ctx context.Context, key string, ttl time.Duration) (state.Lease, error) {
	if strings.Contains(key, "ari_") {
		a.n.Add(1)
	}
	return a.Store.Acquire(ctx, key, ttl)
}

func ariID(t *testing.T, cert *x509.Certificate) string {
	t.Helper()
	id, err := rfc8555.ARIUniqueIdentifier(cert)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// The server says when it would like to be asked.
func TestRenewalWhenTheServerWants(t *testing.T) {
	t.Parallel()
	ca, host := acmestub.New(t), "wants.example.com"
	now := atomic.Bool{}
	ca.RenewalInfo = func(string) (time.Time, time.Time) {
		if now.Load() {
			return time.Now().Add(-2 * time.Hour), time.Now().Add(-time.Hour)
		}
		return time.Now().Add(10 * 24 * time.Hour), time.Now().Add(20 * 24 * time.Hour)
	}
	e := obtain(t, online(t, []*acmestub.Server{ca}, host), openStore(t), ca)
	first := e.shelf.view.Load().certs[host][0].Leaf
	now.Store(true)
	eventually(t, "it is renewed long before its end", func() bool { return e.serial(host) != first.SerialNumber.String() })
	if got := ca.Orders()[1].Replaces; got != ariID(t, first) {
		t.Errorf("the order replaces %q, want %q", got, ariID(t, first))
	}
}
