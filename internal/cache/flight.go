package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
)

// Flights lets those who ask the same thing at the same time share one
// answer. The zero Flights is ready.
type Flights[K comparable, V any] struct {
	mu     sync.Mutex // guards flying, and waiters of each flight
	flying map[K]*flight[V]
}

// A call is a question and the way to its answer.
type call[K comparable, V any] struct {
	key  K
	load func(context.Context) (V, error)
	keep func(K, V) // of a good answer; may be nil
}

// A flight is one call that is being answered.
type flight[V any] struct {
	waiters int
	cancel  context.CancelFunc
	done    chan struct{} // closed when value and err are there
	value   V
	err     error
}

// errNoReturn is the answer of a load that ended its goroutine.
var errNoReturn = errors.New("the shared call did not return")

// Do calls load, unless that is being done for the same key already, and
// returns its result. It waits no longer than ctx lives.
//
// The context of load has the values of the first caller's, but ends only
// when no caller waits any more: one who leaves does not fail the others. A
// panic of load is an error to all of them.
func (f *Flights[K, V]) Do(ctx context.Context, key K, load func(context.Context) (V, error)) (V, error) {
	return f.do(ctx, call[K, V]{key: key, load: load})
}

func (f *Flights[K, V]) do(ctx context.Context, c call[K, V]) (V, error) {
	fl := f.join(ctx, c)
	defer f.leave(c.key, fl)
	select {
	case <-fl.done:
		return fl.value, fl.err
	case <-ctx.Done():
		var none V
		return none, ctx.Err()
	}
}

func (f *Flights[K, V]) join(ctx context.Context, c call[K, V]) *flight[V] {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl := f.flying[c.key]
	if fl == nil {
		fl = f.start(ctx, c)
	}
	fl.waiters++
	return fl
}

// start is called with mu held.
func (f *Flights[K, V]) start(ctx context.Context, c call[K, V]) *flight[V] {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	fl := &flight[V]{cancel: cancel, done: make(chan struct{}), err: errNoReturn}
	if f.flying == nil {
		f.flying = make(map[K]*flight[V])
	}
	f.flying[c.key] = fl
	go f.fly(ctx, c, fl)
	return fl
}

// leave is called once by each waiter. The last one ends the flight, and
// nobody joins it any more.
func (f *Flights[K, V]) leave(key K, fl *flight[V]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl.waiters--; fl.waiters > 0 {
		return
	}
	fl.cancel()
	if f.flying[key] == fl {
		delete(f.flying, key)
	}
}

// fly is the goroutine of a flight. It ends with load, whose context ends
// with the last waiter.
func (f *Flights[K, V]) fly(ctx context.Context, c call[K, V], fl *flight[V]) {
	defer f.land(c, fl)
	fl.value, fl.err = c.load(ctx)
}

// land is deferred, so that a flight ends whatever load does.
func (f *Flights[K, V]) land(c call[K, V], fl *flight[V]) {
	if v := recover(); v != nil {
		fl.err = fmt.Errorf("panic in a shared call: %v\n%s", v, debug.Stack())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.flying[c.key] == fl { // somebody still waits for it
		delete(f.flying, c.key)
		if fl.err == nil && c.keep != nil {
			c.keep(c.key, fl.value)
		}
	}
	close(fl.done)
}
