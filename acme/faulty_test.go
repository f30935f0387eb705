package acme

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync"

	"github.com/regate/regate/internal/state"
)

var errDown = errors.New("state is down")

// faulty is a store with faults that a test switches on and off.
type faulty struct {
	state.Store
	mu    sync.Mutex
	fault func(ctx context.Context, op, key string) error
}

func (f *faulty) set(fault func(ctx context.Context, op, key string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

// fail makes op fail for keys that contain part.
func (f *faulty) fail(op, part string) {
	f.set(func(_ context.Context, gotOp, key string) error {
		if gotOp == op && strings.Contains(key, part) {
			return errDown
		}
		return nil
	})
}

// hang makes all operations wait for their context, and tells of each.
func (f *faulty) hang(asked chan<- string) {
	f.set(func(ctx context.Context, op, key string) error {
		select {
		case asked <- op + " " + key:
		default:
		}
		<-ctx.Done()
		return ctx.Err()
	})
}

func (f *faulty) heal() { f.set(nil) }

func (f *faulty) ask(ctx context.Context, op, key string) error {
	f.mu.Lock()
	fault := f.fault
	f.mu.Unlock()
	if fault == nil {
		return nil
	}
	return fault(ctx, op, key)
}

func (f *faulty) Get(ctx context.Context, key string) (state.Value, error) {
	if err := f.ask(ctx, "Get", key); err != nil {
		return state.Value{}, err
	}
	return f.Store.Get(ctx, key)
}

func (f *faulty) Put(ctx context.Context, key string, val []byte, opts state.PutOpts) (uint64, error) {
	if err := f.ask(ctx, "Put", key); err != nil {
		return 0, err
	}
	return f.Store.Put(ctx, key, val, opts)
}

func (f *faulty) List(ctx context.Context, prefix string) iter.Seq2[state.Entry, error] {
	if err := f.ask(ctx, "List", prefix); err != nil {
		return func(yield func(state.Entry, error) bool) { yield(state.Entry{}, err) }
	}
	return f.Store.List(ctx, prefix)
}
