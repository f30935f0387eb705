// Package local is the state engine of a gate that runs alone: a state.Store
// in one bbolt file, with an fsync for each write.
//
// The file is locked for as long as the Store is open, so that there is one
// process at a time; that lock is also what makes leases simple here (see
// lease). Nothing is encrypted: that is state.Seal. A Store lives as long as
// the process.
package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"go.uber.org/zap"
)

// ErrInUse says that another process has the state open.
var ErrInUse = errors.New("another regate holds the state")

const (
	// lockWait is how long Open waits for another process to go away, as in a
	// restart where the old one is still closing its file.
	lockWait  = 5 * time.Second
	lockRetry = 50 * time.Millisecond
)

// Open opens the state in cfg.Dir, and makes it if there is none. If another
// process has it, Open waits five seconds at most and returns ErrInUse.
func Open(ctx context.Context, cfg Config, log *zap.Logger) (*Store, error) {
	return open(ctx, cfg, log, time.Now)
}

func open(ctx context.Context, cfg Config, log *zap.Logger, now func() time.Time) (*Store, error) {
	if log == nil {
		log = zap.NewNop()
	}
	if err := MakeDir(cfg.Dir()); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	db, err := openDB(ctx, cfg.dbPath(), log)
	if err != nil {
		return nil, fmt.Errorf("open state %s: %w", cfg.dbPath(), err)
	}
	s := newStore(db, log, now)
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open state %s: %w", cfg.dbPath(), err), s.Close())
	}
	warnModes(cfg, log)
	return s, nil
}

// MakeDir makes the directory of a state, and refuses one that is no place for
// keys: others can write to it, or it is on another machine.
func MakeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if err := refuseShared(dir, info); err != nil {
		return err
	}
	return refuseNetwork(dir)
}

// openDB asks for the file's lock again and again, rather than wait in bbolt,
// which does not know ctx.
func openDB(ctx context.Context, path string, log *zap.Logger) (*bbolt.DB, error) {
	retry := time.NewTicker(lockRetry)
	defer retry.Stop()
	giveUp := time.After(lockWait)
	for said := false; ; said = true {
		db, err := tryOpen(path)
		if !errors.Is(err, berrors.ErrTimeout) {
			return db, err
		}
		if !said {
			log.Warn("another regate holds the state, waiting for it to end", zap.String("path", path), zap.Duration("at_most", lockWait))
		}
		select {
		case <-retry.C:
		case <-giveUp:
			return nil, ErrInUse
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrInUse, ctx.Err())
		}
	}
}

func tryOpen(path string) (*bbolt.DB, error) {
	made := false
	opts := *bbolt.DefaultOptions
	opts.Timeout = time.Millisecond // one try
	opts.OpenFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
		f, err := os.OpenFile(name, flag|os.O_EXCL, mode)
		if made = err == nil; made || !errors.Is(err, fs.ErrExist) {
			return f, err
		}
		return os.OpenFile(name, flag&^os.O_CREATE, mode)
	}
	db, err := guard(func() (*bbolt.DB, error) { return bbolt.Open(path, 0o600, &opts) })
	if err != nil && made {
		// A full disk may have left half a database, which no later start
		// could open. It has never held anything.
		_ = os.Remove(path)
	}
	if errors.Is(err, berrors.ErrInvalid) || errors.Is(err, berrors.ErrChecksum) || errors.Is(err, berrors.ErrVersionMismatch) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return db, err
}
