package local

import (
	"encoding/binary"
	"fmt"
	"time"
)

// A record is what the bucket values keeps at a key: three numbers of eight
// bytes, big endian, and the value.
type record struct {
	rev     uint64
	expires int64  // Unix time in ns, 0 for never
	fence   uint64 // the highest of the value's writers
	data    []byte
}

const recordHeader = 24

// newRecord copies val, because a write that its caller has given up may run
// on while the caller uses val again.
func newRecord(val []byte) []byte {
	return append(make([]byte, recordHeader, recordHeader+len(val)), val...)
}

func (r record) writeHeader(raw []byte) {
	binary.BigEndian.PutUint64(raw, r.rev)
	binary.BigEndian.PutUint64(raw[8:], uint64(r.expires))
	binary.BigEndian.PutUint64(raw[16:], r.fence)
}

// parseRecord returns a record that shares raw's memory.
func parseRecord(raw []byte) (record, error) {
	if len(raw) < recordHeader {
		return record{}, fmt.Errorf("%w: a record has %d bytes", ErrDamaged, len(raw))
	}
	return record{
		rev:     binary.BigEndian.Uint64(raw),
		expires: int64(binary.BigEndian.Uint64(raw[8:])),
		fence:   binary.BigEndian.Uint64(raw[16:]),
		data:    raw[recordHeader:],
	}, nil
}

func (r record) liveAt(t time.Time) bool {
	return r.expires == 0 || t.UnixNano() < r.expires
}
