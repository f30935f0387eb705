package keyring

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/regate/regate/internal/state"
	"github.com/regate/regate/internal/state/local"
)

// openStore opens a state that ends with the test.
func openStore(t *testing.T) state.Store {
	t.Helper()
	s, err := local.Open(t.Context(), local.Config{Path: filepath.Join(t.TempDir(), "state")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func openRing(t *testing.T, o Options) *Ring {
	t.Helper()
	r, err := Open(t.Context(), o, nil)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return r
}

// A faulty Store fails as a real one does when its engine is away, or when
// only its disk is full.
type faulty struct {
	state.Store
	down, full atomic.Bool
}

var errDown = errors.New("state is down")

func (f *faulty) Get(ctx context.Context, key string) (state.Value, error) {
	if f.down.Load() {
		return state.Value{}, errDown
	}
	return f.Store.Get(ctx, key)
}

func (f *faulty) Put(ctx context.Context, key string, val []byte, o state.PutOpts) (uint64, error) {
	if f.down.Load() || f.full.Load() {
		return 0, errDown
	}
	return f.Store.Put(ctx, key, val, o)
}

func TestRingIsFoundAgain(t *testing.T) {
	t.Parallel()
	store, file := openStore(t), filepath.Join(t.TempDir(), "root.pem")
	first := openRing(t, Options{Store: store, RootFile: file})
	again := openRing(t, Options{Store: store, RootFile: file})
	if first.Fingerprint() != again.Fingerprint() || first.Signer().KeyID != again.Signer().KeyID {
		t.Errorf("second start has root %s and leaf %s, want %s and %s",
			again.Fingerprint(), again.Signer().KeyID, first.Fingerprint(), first.Signer().KeyID)
	}
	if text, err := os.ReadFile(file); err != nil || !bytes.Equal(text, first.RootPEM()) {
		t.Errorf("root file = %q, %v; want %q", text, err, first.RootPEM())
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("root file's mode = %v, %v; want 0644, registries run as other users", info.Mode(), err)
	}
	if want := fmt.Sprintf("sha256:%x", sha256.Sum256(first.Root().Raw)); first.Fingerprint() != want {
		t.Errorf("Fingerprint() = %s, want %s", first.Fingerprint(), want)
	}
}

func TestRootIsWhatRegistriesTake(t *testing.T) {
	t.Parallel()
	root := openRing(t, Options{Store: openStore(t)}).Root()
	if !root.IsCA || root.MaxPathLen != 0 || !root.MaxPathLenZero || root.KeyUsage != x509.KeyUsageCertSign {
		t.Errorf("root: CA %v, path length %d, usage %b", root.IsCA, root.MaxPathLen, root.KeyUsage)
	}
	if years := time.Until(root.NotAfter) / (365 * 24 * time.Hour); years < 9 {
		t.Errorf("root lives %d years", years)
	}
}

// A gate that has lost its root file writes it again; one that cannot write
// over a good file does not mind.
func TestRootFileIsRepaired(t *testing.T) {
	t.Parallel()
	store, file := openStore(t), filepath.Join(t.TempDir(), "root.pem")
	for _, before := range []string{"", "rubbish"} {
		if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		r := openRing(t, Options{Store: store, RootFile: file})
		if text, _ := os.ReadFile(file); !bytes.Equal(text, r.RootPEM()) {
			t.Errorf("root file over %q = %q", before, text)
		}
	}
	before, _ := os.Stat(file)
	openRing(t, Options{Store: store, RootFile: file})
	if after, _ := os.Stat(file); !os.SameFile(before, after) {
		t.Error("a good root file was written again")
	}
	_, err := Open(t.Context(), Options{Store: store, RootFile: filepath.Join(file, "no", "directory")}, nil)
	if err == nil || !strings.Contains(err.Error(), "write the token root") {
		t.Errorf("Open with an impossible root file: %v", err)
	}
}

// TestAnotherRootIsSaid: registries that have read the file go on with what it
// was, and refuse all tokens.
func TestAnotherRootIsSaid(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "root.pem")
	open := func(store state.Store) (*Ring, []string) {
		core, seen := observer.New(zap.WarnLevel)
		r, err := Open(t.Context(), Options{Store: store, RootFile: file}, zap.New(core))
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		for _, e := range seen.All() {
			said = append(said, fmt.Sprint(e.Message, e.ContextMap()))
		}
		return r, said
	}
	store := openStore(t)
	first, said := open(store)
	if _, again := open(store); said != nil || again != nil {
		t.Errorf("of the same root it says %q, then %q", said, again)
	}
	second, said := open(openStore(t))
	if all := fmt.Sprint(said); len(said) != 1 || !strings.Contains(all, first.Fingerprint()) || !strings.Contains(all, second.Fingerprint()) {
		t.Errorf("of another root it says %q", said)
	}
}

func TestExportRootSignsLeavesElsewhere(t *testing.T) {
	t.Parallel()
	r := openRing(t, Options{Store: openStore(t)})
	cert, key, err := r.ExportRoot()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile := writeFile(t, dir, "root.crt", cert), writeFile(t, dir, "root.key", key)
	other := openRing(t, Options{Store: openStore(t), Cert: certFile, Key: keyFile})
	if other.Fingerprint() != r.Fingerprint() {
		t.Errorf("Fingerprint() = %s, want %s", other.Fingerprint(), r.Fingerprint())
	}
	if _, err := r.Verifier(other.Signer().Chain[0]); err != nil {
		t.Errorf("a leaf that the exported root signed elsewhere: %v", err)
	}
}

func TestGatesThatStartTogetherAgree(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	rings := make([]*Ring, 6)
	var starts sync.WaitGroup
	for i := range rings {
		starts.Go(func() {
			r, err := Open(t.Context(), Options{Store: store}, nil)
			if err != nil {
				t.Errorf("Open: %v", err)
				return
			}
			rings[i] = r
		})
	}
	starts.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for _, r := range rings[1:] {
		if r.Fingerprint() != rings[0].Fingerprint() {
			t.Error("two gates made a root each")
		}
		if r.Signer().KeyID != rings[0].Signer().KeyID {
			t.Error("two gates made a first leaf each")
		}
	}
}

func TestStateThatCannotBeAskedIsNoReasonForANewRoot(t *testing.T) {
	t.Parallel()
	inner := openStore(t)
	store := &faulty{Store: inner}
	store.down.Store(true)
	if _, err := Open(t.Context(), Options{Store: store}, nil); !errors.Is(err, errDown) {
		t.Fatalf("Open without state: %v, want %v", err, errDown)
	}
	if _, err := inner.Get(t.Context(), RootKey); !errors.Is(err, state.ErrNotFound) {
		t.Fatalf("a root was made: %v", err)
	}
}

func TestStateSealedWithAnotherKeyIsNoReasonForANewRoot(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	sealed := func(b byte) state.Store {
		key, err := state.NewKey([32]byte{b})
		if err != nil {
			t.Fatal(err)
		}
		return state.Seal(store, key, "keys")
	}
	r := openRing(t, Options{Store: sealed(1)})
	if _, err := Open(t.Context(), Options{Store: sealed(2)}, nil); err == nil {
		t.Error("Open with another sealing key succeeded")
	}
	if again := openRing(t, Options{Store: sealed(1)}); again.Fingerprint() != r.Fingerprint() {
		t.Error("the root was replaced")
	}
}

func TestFullDiskDoesNotKeepAGateFromStarting(t *testing.T) {
	t.Parallel()
	store := &faulty{Store: openStore(t)}
	first := openRing(t, Options{Store: store})
	store.full.Store(true)
	tomorrow := func() time.Time { return time.Now().Add(signFor + time.Hour) } // a renewal is due
	again, err := Open(t.Context(), Options{Store: store, Now: tomorrow}, nil)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	if again.Signer().KeyID != first.Signer().KeyID {
		t.Error("the leaf is not the one in state")
	}
}

func TestOpenWaitsForTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := openStore(t)
		lease, err := store.Acquire(t.Context(), leaseName, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(5*time.Second, func() { _ = lease.Release(context.Background()) })
		start := time.Now()
		openRing(t, Options{Store: store})
		if took := time.Since(start); took < 5*time.Second || took > 6*time.Second {
			t.Errorf("Open took %v", took)
		}
	})
}

func TestOpenDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := openStore(t)
		lease, err := store.Acquire(t.Context(), leaseName, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = lease.Release(t.Context()) }()
		if _, err := Open(t.Context(), Options{Store: store}, nil); !errors.Is(err, state.ErrHeld) {
			t.Errorf("Open = %v, want %v", err, state.ErrHeld)
		}
	})
}

func TestBrokenRecordsAreErrors(t *testing.T) {
	t.Parallel()
	for _, key := range []string{RootKey, "leaves"} {
		store := openStore(t)
		if key == "leaves" {
			key = openRing(t, Options{Store: store}).leavesKey()
		}
		for _, text := range []string{"", "{", `{"cert":"AAAA"}`, `[{"cert":"AAAA"}]`, `"x"`} {
			if _, err := store.Put(t.Context(), key, []byte(text), state.PutOpts{}); err != nil {
				t.Fatal(err)
			}
			_, err := Open(t.Context(), Options{Store: store}, nil)
			if err == nil || !strings.Contains(err.Error(), key) {
				t.Errorf("Open with %q at %s = %v, want an error that names the key", text, key, err)
			}
		}
	}
}

func writeFile(t *testing.T, dir, name string, text []byte) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func pemOf(typ string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der})
}
