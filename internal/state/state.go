// Package state is what replicas of the gate share: certificates, keys,
// secrets, revocations. Keys are slash paths ("keys/token/root"), whose first
// element is the area that one package owns; values are bytes.
//
// Configuration is never kept here, and nothing here understands a value. The
// engines are packages of their own (state/local, state/redis); all of them
// pass the suite in state/statetest. A Store lives as long as the process.
package state

import (
	"context"
	"errors"
	"iter"
	"time"
)

// ErrNotFound says that no live value stands at a key.
var ErrNotFound = errors.New("not found in state")

// ErrConflict says that a write was refused, because the value had another
// revision than PutOpts.IfRev or Delete asked for, or because a newer holder
// of the lease has written since (PutOpts.Fence).
var ErrConflict = errors.New("state was changed by somebody else")

// ErrHeld says that another holder has the lease.
var ErrHeld = errors.New("lease is held by another")

// A Store keeps values for all replicas. All methods may be called at the same
// time by many goroutines, and honour ctx. An error other than the ones above
// means that the engine could not be asked, and must never be taken for an
// absent value. A write that ends with such an error, ctx's among them, may or
// may not have happened.
type Store interface {
	// Get returns the value at key and its revision, or ErrNotFound.
	Get(ctx context.Context, key string) (Value, error)

	// Put writes val and returns its revision, which is above zero and grows
	// with each write of the key, also over a Delete. It returns ErrConflict as
	// opts say.
	Put(ctx context.Context, key string, val []byte, opts PutOpts) (rev uint64, err error)

	// Delete removes key; that it was not there is no error. With ifRev above
	// zero it returns ErrConflict unless a value is there and has that revision.
	Delete(ctx context.Context, key string, ifRev uint64) error

	// List yields the live entries whose key begins with prefix, in the order
	// of their keys. It ends with the first error, unless that is ErrSealed, which
	// is about one entry. It is no snapshot: the caller may write while it runs,
	// and may or may not see changes made meanwhile.
	List(ctx context.Context, prefix string) iter.Seq2[Entry, error]

	// Acquire takes the lease called name, or returns ErrHeld. The holder's
	// heartbeat keeps it until Release; after a crash it ends within ttl. ctx is
	// of the call, not of the lease.
	Acquire(ctx context.Context, name string, ttl time.Duration) (Lease, error)

	// Allow takes cost from a bucket that all gates share, and returns zero; if
	// there is not so much in it, it takes nothing and returns the time after
	// which it is worth to ask again. A cost below zero is given back. Buckets
	// need not outlive a restart of the engine. One has always the same limit.
	Allow(ctx context.Context, bucket string, limit Limit, cost int) (wait time.Duration, err error)

	// Watch hints at changes below prefix until ctx is done or the Store closed,
	// then closes the channel. Hints may be lost: a watcher polls as well.
	Watch(ctx context.Context, prefix string) <-chan Event

	// Health says whether the engine can read and write now.
	Health(ctx context.Context) error

	// Close ends the engine's goroutines, loses its leases and gives back what
	// it holds.
	Close() error
}

// A Value is what stands at a key.
type Value struct {
	Data []byte // the caller's own copy
	Rev  uint64
}

// An Entry is one key of a List.
type Entry struct {
	Key string
	Value
}

// PutOpts narrow a Put. The zero PutOpts write whatever stood there, for ever.
//
// A value remembers the highest fence that it was written with until it is
// deleted or expires; a write without a fence leaves it. Fences of different
// leases say nothing about each other, so all who write a key with a fence
// hold the same lease.
type PutOpts struct {
	TTL   time.Duration // 0 keeps the value until it is deleted
	IfRev *uint64       // write only over this revision; 0 means over nothing
	Fence uint64        // of the writer's lease; lower than that of an earlier write of the value is a conflict, 0 is no fence
}

// A Lease is the right to do something alone.
type Lease interface {
	// Fence grows with every holder; Put refuses an older one.
	Fence() uint64
	// Lost is closed when the lease can no longer be relied on: when no
	// heartbeat got through for two thirds of its ttl, or the Store was closed.
	Lost() <-chan struct{}
	// Release gives the lease back. Releasing a lost lease is no error.
	Release(ctx context.Context) error
}

// An Event hints that the value at Key has changed or gone.
type Event struct{ Key string }
