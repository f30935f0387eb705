package redis

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/regate/regate/internal/state"
)

const (
	pageEntries = 128  // whose values are in memory at the same time
	scanCount   = 1000 // keys that one SCAN looks at
)

// List reads the index of a group where prefix names one, which costs as much
// as there is in it. For a shorter prefix it looks at all keys of the server,
// and has the ones that match in memory: nothing that is done often does that.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[state.Entry, error] {
	return func(yield func(state.Entry, error) bool) {
		var err error
		if group, _, ok := splitGroup(prefix); ok {
			err = s.listGroup(ctx, group, prefix, yield)
		} else {
			err = s.listAll(ctx, prefix, yield)
		}
		if err != nil {
			yield(state.Entry{}, fmt.Errorf("list %s: %w", prefix, err))
		}
	}
}

type yields = func(state.Entry, error) bool

// listGroup yields page by page.
func (s *Store) listGroup(ctx context.Context, group, prefix string, yield yields) error {
	for from := "[" + prefix; from != ""; {
		keys, err := s.indexed(ctx, group, from)
		if err != nil {
			return err
		}
		from = ""
		if len(keys) == pageEntries {
			from = "(" + keys[len(keys)-1]
		}
		if end := slices.IndexFunc(keys, func(key string) bool { return !strings.HasPrefix(key, prefix) }); end >= 0 {
			keys, from = keys[:end], ""
		}
		gone, more, err := s.page(ctx, keys, yield)
		if err != nil || !more {
			return err
		}
		s.forget(ctx, group, gone)
	}
	return nil
}

// indexed returns the next keys of a group.
func (s *Store) indexed(ctx context.Context, group, from string) (keys []string, err error) {
	err = s.do(ctx, func() error {
		by := &redis.ZRangeBy{Min: from, Max: "+", Count: pageEntries}
		keys, err = s.db.ZRangeByLex(ctx, s.names.index(group), by).Result()
		return err
	})
	return keys, err
}

// forget takes what has expired out of an index. If it fails, the next one
// who comes along does.
func (s *Store) forget(ctx context.Context, group string, gone []string) {
	if len(gone) == 0 {
		return
	}
	names, args := []string{s.names.index(group)}, make([]any, len(gone))
	for i, key := range gone {
		names, args[i] = append(names, s.names.value(key)), key
	}
	_ = s.do(ctx, func() error { return forgetScript.Run(ctx, s.db, names, args...).Err() })
}

func (s *Store) listAll(ctx context.Context, prefix string, yield yields) error {
	var keys []string
	err := s.do(ctx, func() error {
		return s.eachMaster(ctx, func(ctx context.Context, db redis.Cmdable) error {
			found, err := s.scan(ctx, db, prefix)
			keys = append(keys, found...)
			return err
		})
	})
	if err != nil {
		return err
	}
	slices.Sort(keys)
	for page := range slices.Chunk(slices.Compact(keys), pageEntries) { // SCAN may say something twice
		if _, more, err := s.page(ctx, page, yield); err != nil || !more {
			return err
		}
	}
	return nil
}

func (s *Store) scan(ctx context.Context, db redis.Cmdable, prefix string) (keys []string, err error) {
	all := db.Scan(ctx, 0, s.names.pattern(prefix), scanCount).Iterator()
	for all.Next(ctx) {
		if key, ok := s.names.key(all.Val()); ok && strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	return keys, all.Err()
}

// page yields the values of keys, and returns those that have none.
func (s *Store) page(ctx context.Context, keys []string, yield yields) (gone []string, more bool, err error) {
	if len(keys) == 0 {
		return nil, true, nil
	}
	cmds := make([]*redis.SliceCmd, len(keys))
	err = s.do(ctx, func() error {
		_, err := s.db.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, key := range keys {
				cmds[i] = p.HMGet(ctx, s.names.value(key), fieldData, fieldRev)
			}
			return nil
		})
		return err
	})
	if err != nil {
		return nil, false, err
	}
	for i, key := range keys {
		val, err := value(cmds[i])
		switch {
		case errors.Is(err, state.ErrNotFound):
			gone = append(gone, key)
		case err != nil:
			return nil, false, err
		case !yield(state.Entry{Key: key, Value: val}, nil):
			return nil, false, nil
		}
	}
	return gone, true, nil
}
