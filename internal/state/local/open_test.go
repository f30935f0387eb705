package local

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"
)

func TestOpenMakesPrivateFiles(t *testing.T) {
	cfg := Config{Path: filepath.Join(t.TempDir(), "var", "regate")}
	openAt(t, cfg.Path, time.Now)
	if _, err := cfg.Key(); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]fs.FileMode{
		"":          fs.ModeDir | 0o700,
		"regate.db": 0o600,
		"state.key": 0o600,
	} {
		info, err := os.Stat(filepath.Join(cfg.Path, path))
		if err != nil || info.Mode() != want {
			t.Errorf("%q: mode %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
}

func TestOpenSaysWhoHoldsTheFile(t *testing.T) {
	dir := newDir(t)
	openAt(t, dir, time.Now)

	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := Open(t.Context(), Config{Path: dir}, nil)
		if took := time.Since(start); !errors.Is(err, ErrInUse) || took != lockWait {
			t.Errorf("Open of a held file = %v after %v, want ErrInUse after %v", err, took, lockWait)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Open(ctx, Config{Path: dir}, nil)
	if !errors.Is(err, ErrInUse) || !errors.Is(err, context.Canceled) {
		t.Errorf("Open of a held file, cancelled = %v, want ErrInUse and Canceled", err)
	}
}

func TestOpenWaitsForTheOneBefore(t *testing.T) {
	dir := newDir(t)
	old, err := Open(t.Context(), Config{Path: dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		time.AfterFunc(lockWait/2, func() { _ = old.db.Close() })
		openAt(t, dir, time.Now)
	})
	if err := old.Close(); err != nil {
		t.Error(err)
	}
}

var badFileTests = []struct {
	name    string
	file    []byte                   // what is there instead of a database
	damage  func(tx *bbolt.Tx) error // or what is done to a good one
	want    error
	wantMsg string
}{{
	name:    "newer schema",
	damage:  func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyVersion, []byte("7")) },
	wantMsg: "it was written by a newer regate (schema 7, this one knows 1): install that version, or restore an older copy",
}, {
	name:    "schema is no number",
	damage:  func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyVersion, []byte("x")) },
	want:    ErrDamaged,
	wantMsg: "it has no schema number",
}, {
	name:   "no values",
	damage: func(tx *bbolt.Tx) error { return tx.DeleteBucket(bucketValues) },
	want:   ErrDamaged,
}, {
	name: "not a database",
	file: []byte(strings.Repeat("hello, world\n", 10_000)),
	want: ErrDamaged,
}, {
	name: "zeros",
	file: make([]byte, 1<<16),
	want: ErrDamaged,
}}

func TestOpenRefuses(t *testing.T) {
	for _, test := range badFileTests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cfg := Config{Path: t.TempDir()}
			if test.file != nil {
				if err := os.WriteFile(cfg.dbPath(), test.file, 0o600); err != nil {
					t.Fatal(err)
				}
			} else {
				s := openAt(t, cfg.Path, time.Now)
				if err := errors.Join(s.db.Update(test.damage), s.Close()); err != nil {
					t.Fatal(err)
				}
			}
			before, _ := os.ReadFile(cfg.dbPath())
			_, err := Open(t.Context(), cfg, nil)
			if err == nil || (test.want != nil && !errors.Is(err, test.want)) || !strings.Contains(err.Error(), test.wantMsg) {
				t.Errorf("Open() = %v, want %v %q", err, test.want, test.wantMsg)
			}
			if after, _ := os.ReadFile(cfg.dbPath()); string(before) != string(after) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestOpenFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{Path: file}, nil); err == nil {
		t.Error("Open on a file as directory = nil, want an error")
	}
}

func TestRestartKeepsValues(t *testing.T) {
	dir := newDir(t)
	s := openAt(t, dir, time.Now)
	rev, err := s.Put(t.Context(), "keys/token/root", []byte("pem"), noOpts)
	if err != nil {
		t.Fatal(err)
	}
	old, err := s.Acquire(t.Context(), "issue", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = openAt(t, dir, time.Now)
	val, err := s.Get(t.Context(), "keys/token/root")
	if err != nil || string(val.Data) != "pem" || val.Rev != rev {
		t.Errorf("after a restart Get() = %q, revision %d, %v, want %q, revision %d", val.Data, val.Rev, err, "pem", rev)
	}
	l, err := s.Acquire(t.Context(), "issue", time.Hour)
	if err != nil || l.Fence() <= old.Fence() {
		t.Errorf("after a restart Acquire() = %v, want a fence above %d", err, old.Fence())
	}
}
