package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/regate/regate/internal/state"
)

// A Store is the state.Store on a Redis that several gates share.
type Store struct {
	cfg   Config
	db    redis.UniversalClient
	names names
	log   *zap.Logger

	link     link
	leases   leases
	watchers state.Watchers

	ends   context.Context // with it, all goroutines do
	stop   context.CancelFunc
	tasks  sync.WaitGroup
	closed sync.Once

	looking sync.Mutex      // is held by inspect, and guards what follows
	warned  map[string]bool // about the server
}

var _ state.Store = (*Store)(nil)

// A value is a hash of its data, its revision and the highest fence that it
// was written with.
const (
	fieldData = "d"
	fieldRev  = "r"
)

// Get returns the live value at key.
func (s *Store) Get(ctx context.Context, key string) (val state.Value, err error) {
	err = s.do(ctx, func() error {
		val, err = s.get(ctx, key)
		return err
	})
	if err != nil {
		return state.Value{}, fmt.Errorf("get %s: %w", key, err)
	}
	return val, nil
}

func (s *Store) get(ctx context.Context, key string) (state.Value, error) {
	return value(s.db.HMGet(ctx, s.names.value(key), fieldData, fieldRev))
}

// value is what a command has read.
func value(cmd *redis.SliceCmd) (state.Value, error) {
	fields, err := cmd.Result()
	if err != nil {
		return state.Value{}, err
	}
	if len(fields) != 2 {
		return state.Value{}, noReply(fmt.Sprint(len(fields), " fields"))
	}
	data, isData := fields[0].(string)
	digits, isRev := fields[1].(string)
	if !isData && !isRev {
		return state.Value{}, state.ErrNotFound
	}
	rev, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || !isData {
		return state.Value{}, fmt.Errorf("%s: %w", cmd.Args()[1], errForeign)
	}
	return state.Value{Data: []byte(data), Rev: rev}, nil
}

// Put writes val at key.
func (s *Store) Put(ctx context.Context, key string, val []byte, opts state.PutOpts) (rev uint64, err error) {
	if opts.TTL < 0 {
		return 0, fmt.Errorf("put %s: a TTL of %v is negative", key, opts.TTL)
	}
	err = s.do(ctx, func() error {
		rev, err = s.put(ctx, key, val, opts)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("put %s: %w", key, err)
	}
	return rev, nil
}

func (s *Store) put(ctx context.Context, key string, val []byte, opts state.PutOpts) (uint64, error) {
	ifRev := ""
	if opts.IfRev != nil {
		ifRev = strconv.FormatUint(*opts.IfRev, 10)
	}
	cmd := putScript.Run(ctx, s.db, s.keysOf(key), val, ifRev, opts.Fence, milliseconds(opts.TTL), key, s.names.channel())
	text, err := cmd.Text()
	if errors.Is(err, redis.Nil) {
		return 0, state.ErrConflict
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(text, 10, 64)
}

// Delete removes key.
func (s *Store) Delete(ctx context.Context, key string, ifRev uint64) error {
	err := s.do(ctx, func() error { return s.delete(ctx, key, ifRev) })
	if err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

func (s *Store) delete(ctx context.Context, key string, ifRev uint64) error {
	done, err := deleteScript.Run(ctx, s.db, s.keysOf(key), ifRev, key, s.names.channel()).Int()
	if err == nil && done == 0 {
		err = state.ErrConflict
	}
	return err
}

// keysOf are what a script about a value touches: a value that is all of its
// group needs no index.
func (s *Store) keysOf(key string) []string {
	keys := []string{s.names.value(key)}
	if group, _, ok := splitGroup(key); ok {
		keys = append(keys, s.names.index(group))
	}
	return keys
}

// Allow takes cost from a bucket by the server's clock.
func (s *Store) Allow(ctx context.Context, bucket string, limit state.Limit, cost int) (wait time.Duration, err error) {
	err = s.do(ctx, func() error {
		wait, err = s.allow(ctx, bucket, limit, cost)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("limit %s: %w", bucket, err)
	}
	return wait, nil
}

func (s *Store) allow(ctx context.Context, bucket string, limit state.Limit, cost int) (time.Duration, error) {
	cmd := limitScript.Run(ctx, s.db, []string{s.names.limit(bucket)}, microseconds(limit.Every), limit.Burst, cost)
	us, err := cmd.Float64()
	return time.Duration(min(us, longest.Seconds()*1e6)) * time.Microsecond, err
}

const longest = 200 * 365 * 24 * time.Hour // that a Duration can say, with room for rounding

// milliseconds and microseconds round up: what lives shortly does not live for
// ever.
func milliseconds(d time.Duration) int64 { return int64((d + time.Millisecond - 1) / time.Millisecond) }
func microseconds(d time.Duration) int64 { return int64((d + time.Microsecond - 1) / time.Microsecond) }

// Health writes to the server.
func (s *Store) Health(ctx context.Context) error {
	err := s.do(ctx, func() error {
		return s.db.Set(ctx, s.names.health(), "", time.Minute).Err()
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

// Close ends all leases, watches and connections. What comes after it is an
// error.
func (s *Store) Close() (err error) {
	s.closed.Do(func() {
		s.link.settle(errClosed)
		s.stop()
		s.tasks.Wait()
		s.leases.end()
		s.watchers.End()
		err = s.db.Close()
	})
	return err
}

var (
	errClosed  = errors.New("state is closed")
	errForeign = errors.New("somebody else has written here")
)
