package local

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"go.etcd.io/bbolt"
)

// ErrDamaged says that the database file cannot be read: it was cut short, the
// disk fails, or its pages make no sense.
var ErrDamaged = errors.New("state file is damaged")

// maxReads is how many reads may be under way; more of them wait for a slot.
const maxReads = 64

// view runs read in a transaction that sees one state of the file.
func view[T any](ctx context.Context, s *Store, read func(*bbolt.Tx) (T, error)) (T, error) {
	return run(ctx, s.reads, func() (val T, err error) {
		err = s.db.View(func(tx *bbolt.Tx) error {
			val, err = read(tx)
			return err
		})
		return val, err
	})
}

// update runs write in the one write transaction. An error of write, or a ctx
// that ended while it ran, changes nothing.
func update[T any](ctx context.Context, s *Store, write func(*bbolt.Tx) (T, error)) (T, error) {
	return run(ctx, s.writes, func() (val T, err error) {
		err = s.db.Update(func(tx *bbolt.Tx) error {
			if val, err = write(tx); err != nil {
				return err
			}
			return ctx.Err()
		})
		return val, err
	})
}

type outcome[T any] struct {
	val T
	err error
}

// run lets op work on a goroutine of its own, because a disk can block it for
// as long as it likes, and comes back when ctx is done at the latest. The price:
// an op that was left behind goes on, so that a write whose ctx ended may still
// have happened. It keeps its slot until it ends; a disk that never answers
// holds up no more goroutines than there are slots.
func run[T any](ctx context.Context, slots chan struct{}, op func() (T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return none, ctx.Err()
	}
	done := make(chan outcome[T], 1)
	go transact(op, slots, done)
	select {
	case o := <-done:
		return o.val, o.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

func transact[T any](op func() (T, error), slots chan struct{}, done chan<- outcome[T]) {
	defer func() { <-slots }()
	val, err := guard(op)
	done <- outcome[T]{val, err}
}

// guard makes an error of what bbolt does about a bad file: it panics on pages
// that make no sense, and faults on those that the disk cannot read, as the
// file is mapped into memory. The gate goes on serving without its state.
func guard[T any](op func() (T, error)) (val T, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		}
	}()
	return op()
}
