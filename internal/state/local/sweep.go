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
	sweepLook  = 64 << 10 // records that are looked at each time
	sweepPage  = 4 << 10  // of them in one transaction
	sweepBatch = 256      // deletes in one transaction, so that writers need not wait long
)

// sweep frees the room of values that have expired. Readers do not need it:
// they judge for themselves. So there is time: a file with a million values is
// not read as a whole each minute, but from where the last minute left off.
func (s *Store) sweep(ctx context.Context) {
	defer close(s.swept)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	var from []byte
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		done, err := s.sweepOnce(ctx, from)
		if err != nil && ctx.Err() == nil {
			s.log.Warn("state cannot be swept", zap.Error(err))
		}
		from = done.next
	}
}

// A stretch of the file is what was looked at.
type stretch struct {
	seen    int
	expired [][]byte // keys
	next    []byte   // the first key behind it, nil if there is none
}

// sweepOnce sweeps a part of the file, which begins at a key; nil is the first.
// An error begins anew.
func (s *Store) sweepOnce(ctx context.Context, from []byte) (all stretch, err error) {
	all.next = from
	for all.seen < sweepLook {
		next := all.next // for a look that goes on when nobody waits for it any more
		part, err := view(ctx, s, func(tx *bbolt.Tx) (stretch, error) { return s.look(tx, next) })
		if err == nil && len(part.expired) > 0 {
			_, err = update(ctx, s, func(tx *bbolt.Tx) (struct{}, error) {
				return struct{}{}, s.drop(tx, part.expired)
			})
		}
		if err != nil {
			return stretch{}, err
		}
		all.seen, all.next = all.seen+part.seen, part.next
		if all.next == nil {
			break
		}
	}
	return all, nil
}

// look returns what has expired of a page that begins at a key.
func (s *Store) look(tx *bbolt.Tx, from []byte) (part stretch, err error) {
	now := s.now()
	c := tx.Bucket(bucketValues).Cursor()
	for key, raw := c.Seek(from); key != nil; key, raw = c.Next() {
		if part.seen == sweepPage || len(part.expired) == sweepBatch {
			part.next = bytes.Clone(key)
			break
		}
		rec, err := parseRecord(raw)
		if err != nil {
			return stretch{}, err
		}
		part.seen++
		if !rec.liveAt(now) {
			part.expired = append(part.expired, bytes.Clone(key))
		}
	}
	return part, nil
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
		tx.OnCommit(func() { s.watchers.Tell(string(key)) })
	}
	return nil
}
