package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
	"go.uber.org/zap"

	"github.com/regate/regate/internal/state"
)

// The buckets of the file: what is kept, whose sequence also counts revisions
// and fences, and what the file says about itself.
var (
	bucketValues = []byte("values")
	bucketMeta   = []byte("meta")
)

// closeWait is how long Close waits for a transaction that the disk holds up.
const closeWait = 10 * time.Second

// A Store is the state.Store in a bbolt file.
type Store struct {
	db     *bbolt.DB
	log    *zap.Logger
	now    func() time.Time
	reads  chan struct{} // slots of run
	writes chan struct{}

	leases   leases
	buckets  state.Buckets // in memory alone: a write for each wrong password would keep the disk busy
	watchers state.Watchers

	stop  context.CancelFunc // ends sweep
	swept chan struct{}      // closed when it has
}

var _ state.Store = (*Store)(nil)

func newStore(db *bbolt.DB, log *zap.Logger, now func() time.Time) *Store {
	ctx, stop := context.WithCancel(context.Background())
	s := &Store{
		db: db, log: log, now: now,
		reads: make(chan struct{}, maxReads), writes: make(chan struct{}, 1),
		stop: stop, swept: make(chan struct{}),
	}
	go s.sweep(ctx)
	return s
}

// Get returns the live value at key.
func (s *Store) Get(ctx context.Context, key string) (state.Value, error) {
	val, err := view(ctx, s, func(tx *bbolt.Tx) (state.Value, error) {
		rec, err := s.find(tx, key)
		return state.Value{Data: bytes.Clone(rec.data), Rev: rec.rev}, err
	})
	if err != nil {
		return state.Value{}, fmt.Errorf("get %s: %w", key, err)
	}
	return val, nil
}

// Allow takes cost from a bucket.
func (s *Store) Allow(ctx context.Context, bucket string, limit state.Limit, cost int) (wait time.Duration, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return s.buckets.Take(bucket, limit, cost, s.now()), nil
}

// Put writes val at key and syncs the file.
func (s *Store) Put(ctx context.Context, key string, val []byte, opts state.PutOpts) (uint64, error) {
	if opts.TTL < 0 {
		return 0, fmt.Errorf("put %s: a TTL of %v is negative", key, opts.TTL)
	}
	raw := newRecord(val)
	rev, err := update(ctx, s, func(tx *bbolt.Tx) (uint64, error) {
		tx.OnCommit(func() { s.watchers.Tell(key) })
		return s.put(tx, key, raw, opts)
	})
	if err != nil {
		return 0, fmt.Errorf("put %s: %w", key, err)
	}
	return rev, nil
}

func (s *Store) put(tx *bbolt.Tx, key string, raw []byte, opts state.PutOpts) (uint64, error) {
	old, err := s.findOrNone(tx, key)
	if err != nil {
		return 0, err
	}
	if opts.IfRev != nil && *opts.IfRev != old.rev {
		return 0, state.ErrConflict
	}
	if opts.Fence > 0 && opts.Fence < old.fence {
		return 0, state.ErrConflict
	}
	rec := record{fence: max(old.fence, opts.Fence)}
	if opts.TTL > 0 {
		rec.expires = s.now().Add(opts.TTL).UnixNano()
	}
	values := tx.Bucket(bucketValues)
	if rec.rev, err = values.NextSequence(); err != nil {
		return 0, err
	}
	rec.writeHeader(raw)
	return rec.rev, values.Put([]byte(key), raw)
}

// Delete removes key and syncs the file.
func (s *Store) Delete(ctx context.Context, key string, ifRev uint64) error {
	_, err := update(ctx, s, func(tx *bbolt.Tx) (struct{}, error) {
		old, err := s.findOrNone(tx, key)
		if err != nil {
			return struct{}{}, err
		}
		if ifRev > 0 && ifRev != old.rev {
			return struct{}{}, state.ErrConflict
		}
		tx.OnCommit(func() { s.watchers.Tell(key) })
		return struct{}{}, tx.Bucket(bucketValues).Delete([]byte(key))
	})
	if err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

// find returns the live record at key, which shares the file's memory until
// tx ends, or ErrNotFound.
func (s *Store) find(tx *bbolt.Tx, key string) (record, error) {
	raw := tx.Bucket(bucketValues).Get([]byte(key))
	if raw == nil {
		return record{}, state.ErrNotFound
	}
	rec, err := parseRecord(raw)
	if err == nil && !rec.liveAt(s.now()) {
		return record{}, state.ErrNotFound
	}
	return rec, err
}

// findOrNone is find for those to whom an absent value is the zero record.
func (s *Store) findOrNone(tx *bbolt.Tx, key string) (record, error) {
	rec, err := s.find(tx, key)
	if errors.Is(err, state.ErrNotFound) {
		return record{}, nil
	}
	return rec, err
}

// Health writes to the file.
func (s *Store) Health(ctx context.Context) error {
	_, err := update(ctx, s, func(tx *bbolt.Tx) (struct{}, error) {
		now, err := s.now().UTC().MarshalText()
		if err != nil {
			return struct{}{}, err
		}
		return struct{}{}, tx.Bucket(bucketMeta).Put([]byte("health"), now)
	})
	if err != nil {
		return fmt.Errorf("write to state: %w", err)
	}
	return nil
}

// Watch hints at changes below prefix until ctx is done or the Store is closed.
func (s *Store) Watch(ctx context.Context, prefix string) <-chan state.Event {
	return s.watchers.Watch(ctx, prefix)
}

// Close ends all leases and watches and closes the file, for which it waits
// ten seconds at most. What comes after it is an error.
func (s *Store) Close() error {
	s.stop()
	<-s.swept
	s.leases.end()
	s.watchers.End()
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	return s.closeDB(ctx)
}

func (s *Store) closeDB(ctx context.Context) error {
	_, err := run(ctx, make(chan struct{}, 1), func() (struct{}, error) {
		return struct{}{}, s.db.Close()
	})
	if err != nil {
		return fmt.Errorf("close state: %w", err)
	}
	return nil
}
