package keyring

import (
	"errors"
	"sync"
	"testing"

	"github.com/regate/regate/internal/state"
)

func TestSecretIsOneForAllGates(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	var (
		got  [8][SecretSize]byte
		errs [8]error
		done sync.WaitGroup
	)
	for i := range got {
		done.Go(func() { got[i], errs[i] = Secret(t.Context(), store, "cookie") })
	}
	done.Wait()
	for i := range got {
		if errs[i] != nil || got[i] != got[0] || got[i] == ([SecretSize]byte{}) {
			t.Errorf("gate %d has another secret than the first, or none (%v)", i, errs[i])
		}
	}
	other, err := Secret(t.Context(), store, "upload")
	if err != nil || other == got[0] {
		t.Errorf("another purpose has the same secret, or none (%v)", err)
	}
}

func TestSecretIsNeverOnesOwn(t *testing.T) {
	t.Parallel()
	store := &faulty{Store: openStore(t)}
	store.full.Store(true)
	if got, err := Secret(t.Context(), store, "cookie"); !errors.Is(err, errDown) || got != ([SecretSize]byte{}) {
		t.Errorf("with a full disk: %v, %v", got, err)
	}
	store.full.Store(false)
	store.down.Store(true)
	if got, err := Secret(t.Context(), store, "cookie"); !errors.Is(err, errDown) || got != ([SecretSize]byte{}) {
		t.Errorf("with the state down: %v, %v", got, err)
	}
	store.down.Store(false)
	if _, err := store.Put(t.Context(), "keys/secret/short", []byte("short"), state.PutOpts{}); err != nil {
		t.Fatal(err)
	}
	if _, err := Secret(t.Context(), store, "short"); err == nil {
		t.Error("a secret of five bytes is taken")
	}
}
