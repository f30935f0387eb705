package acme

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/internal/state"
)

func testStorage(t *testing.T, store state.Store) *storage {
	t.Helper()
	return newStorage(store, 3*time.Second, zap.NewNop())
}

const site = "certificates/internal-1/a.example.com"

// put stores a certificate in the order in which certmagic does.
func (s *storage) put(t *testing.T, key, crt, meta string) {
	t.Helper()
	for _, p := range []struct{ ext, value string }{{".key", key}, {".crt", crt}, {".json", meta}} {
		if err := s.Store(t.Context(), site+"/a.example.com"+p.ext, []byte(p.value)); err != nil {
			t.Fatalf("Store(%s): %v", p.ext, err)
		}
	}
}

func (s *storage) get(t *testing.T) [3]string {
	t.Helper()
	var got [3]string
	for i, ext := range []string{".key", ".crt", ".json"} {
		v, err := s.Load(t.Context(), site+"/a.example.com"+ext)
		if err != nil {
			got[i] = "none"
			if !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("Load(%s): %v", ext, err)
			}
			continue
		}
		got[i] = string(v)
	}
	return got
}

func TestP13CrashBetweenPartsLeavesTheOldCertificate(t *testing.T) {
	t.Parallel()
	st := openStore(t)
	s := testStorage(t, st)
	s.put(t, "key1", "crt1", "meta1")
	_ = s.Store(t.Context(), site+"/a.example.com.key", []byte("key2"))
	_ = s.Store(t.Context(), site+"/a.example.com.crt", []byte("crt2"))

	after := testStorage(t, st) // what a new process sees
	if got := after.get(t); got != [3]string{"key1", "crt1", "meta1"} {
		t.Errorf("after a crash: %v", got)
	}
	after.put(t, "key3", "crt3", "meta3")
	if got := after.get(t); got != [3]string{"key3", "crt3", "meta3"} {
		t.Errorf("after the next renewal: %v", got)
	}
}

func TestFailedWriteIsTakenBack(t *testing.T) {
	t.Parallel()
	st := &faulty{Store: openStore(t)}
	s := testStorage(t, st)
	s.put(t, "key1", "crt1", "meta1")
	st.fail("Put", "bundle")
	_ = s.Store(t.Context(), site+"/a.example.com.key", []byte("key2"))
	_ = s.Store(t.Context(), site+"/a.example.com.crt", []byte("crt2"))
	if err := s.Store(t.Context(), site+"/a.example.com.json", []byte("meta2")); err == nil {
		t.Fatal("Store succeeded without storing")
	}
	for _, ext := range []string{".crt", ".key"} { // certmagic's storeTx
		if err := s.Delete(t.Context(), site+"/a.example.com"+ext); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.get(t); got != [3]string{"key1", "crt1", "meta1"} {
		t.Errorf("after a write that failed: %v", got)
	}
}

func TestNewMetadataKeepsTheCertificate(t *testing.T) {
	t.Parallel()
	s := testStorage(t, openStore(t))
	meta := site + "/a.example.com.json"
	if err := s.Store(t.Context(), meta, []byte("meta0")); err == nil {
		t.Error("metadata of no certificate was stored")
	}
	s.put(t, "key1", "crt1", "meta1")
	if err := s.Store(t.Context(), meta, []byte("meta2")); err != nil {
		t.Fatal(err)
	}
	if got := s.get(t); got != [3]string{"key1", "crt1", "meta2"} {
		t.Errorf("after new metadata: %v", got)
	}
}

func TestStoragePaths(t *testing.T) {
	t.Parallel()
	s, ctx := testStorage(t, openStore(t)), t.Context()
	s.put(t, "k", "c", "m")
	for _, key := range []string{"acme/ca/users/ops/ops.json", "acme/ca/users/ops/ops.key", "acme/cab/x"} {
		if err := s.Store(ctx, key, []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		path      string
		recursive bool
		want      []string // nil for fs.ErrNotExist
	}{
		{"acme", false, []string{"acme/ca", "acme/cab"}},
		{"acme/ca", false, []string{"acme/ca/users"}},
		{"acme/ca", true, []string{"acme/ca/users/ops/ops.json", "acme/ca/users/ops/ops.key"}},
		{"certificates", false, []string{"certificates/internal-1"}},
		{site, false, []string{site + "/a.example.com.crt", site + "/a.example.com.json", site + "/a.example.com.key"}},
		{"acme/c", false, nil},
		{"nothing", true, nil},
	} {
		got, err := s.List(ctx, tt.path, tt.recursive)
		if !slices.Equal(got, tt.want) || (err == nil) != (tt.want != nil) || err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("List(%q, %t) = %q, %v, want %q", tt.path, tt.recursive, got, err, tt.want)
		}
		if got := s.Exists(ctx, tt.path); got != (tt.want != nil) {
			t.Errorf("Exists(%q) = %t", tt.path, got)
		}
	}
	info, err := s.Stat(ctx, "acme/cab/x")
	if err != nil || !info.IsTerminal || info.Size != int64(len("acme/cab/x")) {
		t.Errorf("Stat of a value = %+v, %v", info, err)
	}
	if info, err = s.Stat(ctx, "acme/cab"); err != nil || info.IsTerminal {
		t.Errorf("Stat of a directory = %+v, %v", info, err)
	}

	for _, key := range []string{"acme/ca", site, "never/there"} {
		if err := s.Delete(ctx, key); err != nil || s.Exists(ctx, key) {
			t.Errorf("Delete(%q) = %v, Exists then %t", key, err, s.Exists(ctx, key))
		}
	}
	if !s.Exists(ctx, "acme/cab/x") {
		t.Error("Delete(acme/ca) took acme/cab along")
	}
}

func TestStorageDeletesAsCertmagicDoes(t *testing.T) {
	t.Parallel()
	s := testStorage(t, openStore(t))
	s.put(t, "k", "c", "m")
	for _, key := range []string{site + "/a.example.com.crt", site + "/a.example.com.key", site + "/a.example.com.json", site} {
		if err := s.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.get(t); got != [3]string{"none", "none", "none"} {
		t.Errorf("after Delete: %v", got)
	}
}

// P4: certmagic takes false for "order one".
func TestP04OutageIsNotAbsence(t *testing.T) {
	t.Parallel()
	st := &faulty{Store: openStore(t)}
	s := testStorage(t, st)
	st.fail("Get", "")
	for _, key := range []string{site + "/a.example.com.crt", "acme/x"} {
		if !s.Exists(t.Context(), key) {
			t.Errorf("Exists(%q) is false while the state is down", key)
		}
		if _, err := s.Load(t.Context(), key); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Load(%q) while the state is down: %v", key, err)
		}
	}
	if s.trouble() == nil {
		t.Error("no trouble is known")
	}
	st.heal()
	if s.Exists(t.Context(), "acme/x") || s.trouble() != nil {
		t.Errorf("after the outage: trouble %v", s.trouble())
	}
}

// P4: one answer that was lost is no outage.
func TestP04AbsenceIsAskedTwice(t *testing.T) {
	t.Parallel()
	st := &faulty{Store: openStore(t)}
	s := testStorage(t, st)
	left := 1
	st.set(func(_ context.Context, op, _ string) error {
		if left--; left >= 0 {
			return errDown
		}
		return nil
	})
	if s.Exists(t.Context(), "acme/x") {
		t.Error("what is not there exists, since the state failed once")
	}
}

// P2: certmagic keeps locks of its own while it waits.
func TestP02StorageHasADeadline(t *testing.T) {
	t.Parallel()
	st := &faulty{Store: openStore(t)}
	s := newStorage(st, 10*time.Millisecond, zap.NewNop())
	st.hang(nil)
	_, loaded := s.Load(t.Context(), "acme/x")
	_, listed := s.List(t.Context(), "acme", true)
	for op, err := range map[string]error{"Load": loaded, "List": listed, "Store": s.Store(t.Context(), "acme/x", nil)} {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s of a state that hangs: %v, want %v", op, err, context.DeadlineExceeded)
		}
	}
}

// A certificate may be read years after it was written, so whether the state
// answers again is not for the next one who reads to find out.
func TestProbeEndsTrouble(t *testing.T) {
	t.Parallel()
	st := &faulty{Store: openStore(t)}
	s := testStorage(t, st)
	for _, op := range []string{"Get", "Put"} {
		st.fail(op, "")
		_, _ = s.Load(t.Context(), "acme/x")
		if err := s.probe(t.Context()); err == nil || s.trouble() == nil {
			t.Errorf("while %s fails: probe %v, trouble %v", op, err, s.trouble())
		}
		st.heal()
		if err := s.probe(t.Context()); err != nil || s.trouble() != nil {
			t.Errorf("after %s has failed: probe %v, trouble %v", op, err, s.trouble())
		}
	}
}

// A reload ends orders wherever they are.
func TestCalledOffIsNoTrouble(t *testing.T) {
	t.Parallel()
	s := testStorage(t, openStore(t))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, loaded := s.Load(ended, "acme/x")
	if stored := s.Store(ended, "acme/x", []byte("x")); loaded == nil || stored == nil || s.trouble() != nil {
		t.Errorf("Load: %v, Store: %v, trouble: %v", loaded, stored, s.trouble())
	}
}

// P5: a lock is held for hours, but by heartbeat.
func TestP05LocksAreHeldByHeartbeat(t *testing.T) {
	t.Parallel()
	st := openStore(t)
	s, peer := testStorage(t, st), testStorage(t, st)
	ctx := t.Context()
	if err := s.Lock(ctx, "issue_cert_a"); err != nil {
		t.Fatal(err)
	}
	if ok, err := peer.TryLock(ctx, "issue_cert_a"); ok || err != nil {
		t.Errorf("TryLock of a held lock = %t, %v", ok, err)
	}
	if err := s.RenewLockLease(ctx, "issue_cert_a", 6*time.Hour); err != nil {
		t.Errorf("RenewLockLease by the holder: %v", err)
	}
	if err := peer.RenewLockLease(ctx, "issue_cert_a", 6*time.Hour); err == nil {
		t.Error("RenewLockLease by somebody else succeeded")
	}
	if err := peer.Unlock(ctx, "issue_cert_a"); err == nil {
		t.Error("Unlock by somebody else succeeded")
	}
	if !s.busy("issue_cert_a") || peer.busy("issue_cert_a") {
		t.Error("busy is wrong")
	}

	got := make(chan error)
	go func() { got <- peer.Lock(ctx, "issue_cert_a") }()
	if err := s.Unlock(ctx, "issue_cert_a"); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Errorf("Lock after the holder's Unlock: %v", err)
	}
	if s.busy("issue_cert_a") || !peer.busy("issue_cert_a") {
		t.Error("busy is wrong after a change of hands")
	}

	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.Lock(ended, "issue_cert_a"); !errors.Is(err, context.Canceled) {
		t.Errorf("Lock with an ended context: %v", err)
	}
	if s.busy("issue_cert_a") {
		t.Error("who gave up is still busy")
	}
	peer.releaseAll()
	if ok, err := s.TryLock(ctx, "issue_cert_a"); !ok || err != nil {
		t.Errorf("TryLock after releaseAll = %t, %v", ok, err)
	}
}

// A leased store notes for how long leases are asked for.
type leased struct {
	state.Store
	ttl time.Duration
}

func (l *leased) Acquire(ctx context.Context, name string, ttl time.Duration) (state.Lease, error) {
	l.ttl = ttl
	return l.Store.Acquire(ctx, name, ttl)
}

// However long certmagic means to hold a lock, a crash keeps others waiting for
// less than a minute.
func TestP05CrashDoesNotLockOut(t *testing.T) {
	t.Parallel()
	st := &leased{Store: openStore(t)}
	s := testStorage(t, st)
	if err := s.Lock(t.Context(), "issue_cert_a"); err != nil {
		t.Fatal(err)
	}
	if err := s.RenewLockLease(t.Context(), "issue_cert_a", 6*time.Hour); err != nil {
		t.Fatal(err)
	}
	if st.ttl <= 0 || st.ttl > time.Minute {
		t.Errorf("the lease is for %v", st.ttl)
	}
}

// A holder that has lost its lock is told so before its next attempt.
func TestP05LostLockEndsTheAttempt(t *testing.T) {
	t.Parallel()
	st := openStore(t)
	s := testStorage(t, st)
	if err := s.Lock(t.Context(), "issue_cert_a"); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil { // which takes all leases away
		t.Fatal(err)
	}
	if err := s.RenewLockLease(t.Context(), "issue_cert_a", time.Hour); err == nil {
		t.Error("RenewLockLease of a lost lock succeeded")
	}
}

// A holder that was asleep past the end of its lease must not write over the
// certificate of the next one.
func TestP05LostLockCannotWrite(t *testing.T) {
	t.Parallel()
	st := openStore(t)
	s, peer := testStorage(t, st), testStorage(t, st)
	sleepy := issueLock("a.example.com")
	if err := s.Lock(t.Context(), sleepy); err != nil {
		t.Fatal(err)
	}
	lease := s.locks[sleepy].lease
	if err := lease.Release(t.Context()); err != nil { // as if it had run out
		t.Fatal(err)
	}
	if err := peer.Lock(t.Context(), sleepy); err != nil {
		t.Fatal(err)
	}
	peer.put(t, "key2", "crt2", "meta2")

	_ = s.Store(t.Context(), site+"/a.example.com.key", []byte("key1"))
	_ = s.Store(t.Context(), site+"/a.example.com.crt", []byte("crt1"))
	if err := s.Store(t.Context(), site+"/a.example.com.json", []byte("meta1")); !errors.Is(err, state.ErrConflict) {
		t.Errorf("Store without the lock: %v, want %v", err, state.ErrConflict)
	}
	if got := s.get(t); got != [3]string{"key2", "crt2", "meta2"} {
		t.Errorf("stored is %v", got)
	}
}
