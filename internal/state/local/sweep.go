package local

import (
	"bytes"
	"context"
	"time"

	"go.etcd.io/bbolt"
	"go.uber.org/zap"
)

const (
	sweepEvery = time.Minute
	sweepBatch = 256 // deletes in one transaction, so that writers need not wait long
)

// sweep frees the room of values that have expired. Readers do not need it:
// they judge for themselves.
func (s *Store) sweep(ctx context.Context) {
	defer close(s.swept)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := s.sweepOnce(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("state cannot be swept", zap.Error(err))
		}
	}
}

func (s *Store) sweepOnce(ctx context.Context) error {
	for {
		keys, err := view(ctx, s, s.expired)
		if err != nil || len(keys) == 0 {
			return err
		}
		_, err = update(ctx, s, func(tx *bbolt.Tx) (struct{}, error) {
			return struct{}{}, s.drop(tx, keys)
		})
		if err != nil {
			return err
		}
	}
}

// expired returns the keys of a batch of expired values.
func (s *Store) expired(tx *bbolt.Tx) ([][]byte, error) {
	var keys [][]byte
	now := s.now()
	c := tx.Bucket(bucketValues).Cursor()
	for key, raw := c.First(); key != nil && len(keys) < sweepBatch; key, raw = c.Next() {
		rec, err := parseRecord(raw)
		if err != nil {
			return nil, err
		}
		if !rec.liveAt(now) {
			keys = append(keys, bytes.Clone(key))
		}
	}
	return keys, nil
}

// drop deletes those of keys that nobody has written anew since.
func (s *Store) drop(tx *bbolt.Tx, keys [][]byte) error {
	now := s.now()
	values := tx.Bucket(bucketValues)
	for _, key := range keys {
		raw := values.Get(key)
		if raw == nil {
			continue
		}
		if rec, err := parseRecord(raw); err != nil || rec.liveAt(now) {
			continue
		}
		if err := values.Delete(key); err != nil {
			return err
		}
		tx.OnCommit(func() { s.watchers.tell(string(key)) })
	}
	return nil
}
