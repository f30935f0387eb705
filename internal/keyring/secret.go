package keyring

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/regate/regate/internal/state"
)

// SecretSize is the length of a shared secret in bytes.
const SecretSize = 32

// Secret returns the random bytes called name that the gates of one state
// share, for the cookies and MACs of one purpose. The first who asks makes
// them, and they stay. A store that cannot be asked, or has something else
// there, is an error, never a reason for a secret of one's own: what it signed
// would be worth nothing at the next gate.
func Secret(ctx context.Context, st state.Store, name string) ([SecretSize]byte, error) {
	key := "keys/secret/" + name
	found, err := storedSecret(ctx, st, key)
	if !errors.Is(err, state.ErrNotFound) {
		return found, err
	}
	var made [SecretSize]byte
	_, _ = rand.Read(made[:]) // never fails
	_, err = st.Put(ctx, key, made[:], state.PutOpts{IfRev: new(uint64)})
	switch {
	case errors.Is(err, state.ErrConflict): // another gate was faster
		return storedSecret(ctx, st, key)
	case err != nil:
		return found, err
	}
	return made, nil
}

func storedSecret(ctx context.Context, st state.Store, key string) (found [SecretSize]byte, err error) {
	v, err := st.Get(ctx, key)
	if err != nil {
		return found, err
	}
	if len(v.Data) != SecretSize {
		return found, fmt.Errorf("%s in state has %d bytes, want %d", key, len(v.Data), SecretSize)
	}
	copy(found[:], v.Data)
	return found, nil
}
