package local

import (
	"context"
	"fmt"
	"strconv"

	"go.etcd.io/bbolt"
)

// schema is the number of what the file holds and how. It stands at
// meta/version, so that a file which a newer version has written is refused
// before anything in it is misread.
const schema = 1

var keyVersion = []byte("version")

// prepare makes the buckets of a new file, and checks the schema of an old one
// without writing to it: a gate must come back on a disk that is full.
func (s *Store) prepare(ctx context.Context) error {
	found, err := view(ctx, s, readSchema)
	if err != nil {
		return err
	}
	switch {
	case found == 0:
		_, err = update(ctx, s, writeSchema)
		return err
	case found > schema:
		return fmt.Errorf("it was written by a newer regate (schema %d, this one knows %d): install that version, or restore an older copy", found, schema)
	}
	return nil
}

// readSchema returns the schema of the file, 0 for a new one.
func readSchema(tx *bbolt.Tx) (int, error) {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		return 0, nil
	}
	found, err := strconv.Atoi(string(meta.Get(keyVersion)))
	if err != nil || found < 1 || tx.Bucket(bucketValues) == nil {
		return 0, fmt.Errorf("%w: it has no schema number, so it is none of ours", ErrDamaged)
	}
	return found, nil
}

func writeSchema(tx *bbolt.Tx) (struct{}, error) {
	if _, err := tx.CreateBucketIfNotExists(bucketValues); err != nil {
		return struct{}{}, err
	}
	meta, err := tx.CreateBucketIfNotExists(bucketMeta)
	if err != nil {
		return struct{}{}, err
	}
	return struct{}{}, meta.Put(keyVersion, strconv.AppendInt(nil, schema, 10))
}
