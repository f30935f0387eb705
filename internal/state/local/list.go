package local

import (
	"bytes"
	"context"
	"fmt"
	"iter"

	"go.etcd.io/bbolt"

	"github.com/regate/regate/internal/state"
)

// A page of List is copied in one transaction, and ends after so many entries
// or bytes.
const (
	pageEntries = 256
	pageBytes   = 1 << 20
)

// List yields page by page: the caller may write between two entries (bbolt
// would wait for ever for a read transaction of the same goroutine), and sees
// a change to what it has not yet reached.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[state.Entry, error] {
	return func(yield func(state.Entry, error) bool) {
		from := []byte(prefix)
		for from != nil {
			page, err := view(ctx, s, func(tx *bbolt.Tx) (page, error) {
				return s.page(tx, []byte(prefix), from)
			})
			if err != nil {
				yield(state.Entry{}, fmt.Errorf("list %s: %w", prefix, err))
				return
			}
			for _, entry := range page.entries {
				if !yield(entry, nil) {
					return
				}
			}
			from = page.next
		}
	}
}

type page struct {
	entries []state.Entry
	next    []byte // the first key behind it, nil if there is none
}

func (s *Store) page(tx *bbolt.Tx, prefix, from []byte) (page, error) {
	var p page
	size := 0
	c := tx.Bucket(bucketValues).Cursor()
	for key, raw := c.Seek(from); key != nil && bytes.HasPrefix(key, prefix); key, raw = c.Next() {
		if len(p.entries) == pageEntries || size > pageBytes {
			p.next = bytes.Clone(key)
			break
		}
		rec, err := parseRecord(raw)
		if err != nil {
			return page{}, fmt.Errorf("%s: %w", key, err)
		}
		if !rec.liveAt(s.now()) {
			continue
		}
		size += len(raw)
		p.entries = append(p.entries, state.Entry{
			Key:   string(key),
			Value: state.Value{Data: bytes.Clone(rec.data), Rev: rec.rev},
		})
	}
	return p, nil
}
