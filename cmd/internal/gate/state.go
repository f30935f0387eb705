package gate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/regate/regate/acme"
	"github.com/regate/regate/configs"
	"github.com/regate/regate/internal/keyring"
	"github.com/regate/regate/internal/state"
	"github.com/regate/regate/internal/state/local"
	"github.com/regate/regate/internal/state/redis"
)

// sealed are the areas of the state that hold private keys, or who people are.
var sealed = []string{"tls", "keys", "login", "identity"}

// sealedAfar are those of a state that others reach, too: with what stands in for
// a password, since whoever can write there must not be able to make some.
var sealedAfar = append(slices.Clip(sealed), "secret")

// openState opens what the gate keeps by itself, or what it shares.
func openState(ctx context.Context, file *configs.File, log *zap.Logger) (state.Store, error) {
	cfg := file.State
	if cfg.Redis != nil {
		return openShared(ctx, file, log)
	}
	st, err := local.Open(ctx, cfg.Config, log.Named("state"))
	if err != nil {
		return nil, err
	}
	key, err := openKey(ctx, cfg.Config, st)
	if err != nil {
		_ = st.Close()
		return nil, err
	}
	return state.Seal(st, key, sealed...), nil
}

// openShared opens what a fleet shares, and the copy that this gate goes on
// with while it is away. The copy is a directory of its own: what a gate that
// was alone has in path has another key.
func openShared(ctx context.Context, file *configs.File, log *zap.Logger) (state.Store, error) {
	cfg := file.State
	key, err := cfg.Redis.Key()
	if err != nil {
		return nil, err
	}
	if err := local.MakeDir(cfg.Dir()); err != nil { // or root would make a copy in it that the gate cannot open
		return nil, fmt.Errorf("state: %w", err)
	}
	db, err := local.Open(ctx, local.Config{Path: copyDir(file)}, log.Named("copy"))
	if err != nil {
		return nil, err
	}
	near := state.Seal(db, key, sealed...)
	has, err := readCopy(ctx, near, file)
	if err != nil {
		return nil, errors.Join(err, near.Close())
	}
	server, err := redis.Open(ctx, *cfg.Redis, log.Named("state"))
	if err != nil {
		return nil, errors.Join(err, near.Close())
	}
	far := state.Seal(server, key, sealedAfar...)
	if err := (meeting{file, far, near, log}).check(ctx, has); err != nil {
		return nil, errors.Join(err, far.Close(), near.Close())
	}
	opts := state.CopyOptions{Keeps: isKept, Lasting: isLasting, Mirrors: []string{"revoked/"}}
	return state.NewCopy(far, near, opts, log.Named("state")), nil
}

// isKept reports whether a value is worth keeping beside the shared state:
// certificates and keys, without what only matters while one is ordered.
func isKept(key string) bool {
	area, rest, _ := strings.Cut(key, "/")
	return area == "keys" || area == "tls" && rest != "probe" && !strings.HasPrefix(rest, "challenges/")
}

// isLasting reports whether registries or clients are told to trust what a value
// is, which is then never changed.
func isLasting(key string) bool {
	return key == keyring.RootKey || strings.HasPrefix(key, acme.CAKeys)
}

// openKey makes a key for a new state alone: what an old one has sealed could
// never be read with another.
func openKey(ctx context.Context, cfg local.Config, st state.Store) (state.Key, error) {
	if _, err := os.Stat(cfg.KeyPath()); !errors.Is(err, fs.ErrNotExist) {
		return cfg.Key()
	}
	for _, area := range sealed {
		for _, err := range st.List(ctx, area+"/") {
			if err != nil {
				return state.Key{}, err
			}
			return state.Key{}, fmt.Errorf("%s is missing, and the state in %s is encrypted with it: put it back from your copy, "+
				"or move the directory away to begin anew (with another CA and another token root)", cfg.KeyPath(), cfg.Dir())
		}
	}
	return cfg.Key()
}
