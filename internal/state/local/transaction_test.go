package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/regate/regate/internal/state"
)

var noOpts state.PutOpts

// block keeps the writer as a disk would that does not answer, until the test
// calls what it returns.
func block(t *testing.T, s *Store) (unblock func()) {
	t.Helper()
	began, answer := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := update(ctx, s, func(tx *bbolt.Tx) (struct{}, error) {
			close(began)
			<-answer
			return struct{}{}, tx.Bucket(bucketValues).Put([]byte("given up"), newRecord(nil))
		})
		ended <- err
	}()
	<-began
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("a write that hangs returns %v, want Canceled", err)
	}
	return func() { close(answer) }
}

func TestDiskThatHangs(t *testing.T) {
	s := openAt(t, newDir(t), time.Now)
	if _, err := s.Put(t.Context(), "a/b", []byte("x"), noOpts); err != nil {
		t.Fatal(err)
	}
	unblock := block(t, s)

	before := runtime.NumGoroutine()
	for range 50 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if _, err := s.Put(ctx, "a/b", []byte("y"), noOpts); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Put = %v, want DeadlineExceeded", err)
		}
		if err := s.Health(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Health = %v, want DeadlineExceeded", err)
		}
		cancel()
	}
	if after := runtime.NumGoroutine(); after > before+5 {
		t.Errorf("100 writes that were given up left %d goroutines", after-before)
	}
	if val, err := s.Get(t.Context(), "a/b"); err != nil || string(val.Data) != "x" {
		t.Errorf("Get = %q, %v, want x: reading goes on", val.Data, err)
	}

	unblock()
	if _, err := s.Put(t.Context(), "a/b", []byte("z"), noOpts); err != nil {
		t.Errorf("Put, when the disk is back = %v", err)
	}
	if _, err := s.Get(t.Context(), "given up"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("Get of a write that was given up before its commit = %v, want ErrNotFound", err)
	}
}

func TestCloseDoesNotHang(t *testing.T) {
	s, err := Open(t.Context(), Config{Path: newDir(t)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	unblock := block(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.closeDB(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("closeDB() = %v, want DeadlineExceeded", err)
	}
	unblock()
	if err := s.Close(); err != nil {
		t.Errorf("Close(), when the disk is back = %v", err)
	}
}

// TestFileCutShort reads pages that are mapped but no longer there, which
// would end the process if nobody cared.
func TestFileCutShort(t *testing.T) {
	s := openAt(t, newDir(t), time.Now)
	for i := range 8 {
		if _, err := s.Put(t.Context(), fmt.Sprintf("a/%d", i), make([]byte, 1<<16), noOpts); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(s.db.Path(), 4*int64(os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	broken := 0
	for i := range 8 {
		_, err := s.Get(t.Context(), fmt.Sprintf("a/%d", i))
		if errors.Is(err, state.ErrNotFound) {
			t.Errorf("Get(a/%d) = %v, which says that it never was", i, err)
		}
		if errors.Is(err, ErrDamaged) {
			broken++
		}
	}
	if broken == 0 {
		t.Error("every value can still be read: the test has cut nothing")
	}
}
