package state

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
)

// ErrSealed says that a value is there but cannot be opened: it was sealed
// with another key, moved from another place, changed, or never sealed. It
// must not be taken for an absent value.
var ErrSealed = errors.New("sealed value cannot be opened")

// A sealed value is this byte, the key's ID, the nonce, the ciphertext and the
// tag. Its whole path is authenticated, so that a value which somebody copies
// to another path is refused there. That an older value of the same path is
// put back is not noticed.
const sealVersion = 1

const sealHeader = 1 + keyIDSize

type sealed struct {
	Store
	key   Key
	areas []string
}

// Seal returns a Store that encrypts the values of areas ("tls/", "keys/") on
// their way into st, and refuses any there that key did not seal; other areas
// pass as they are. Paths, sizes and revisions are never hidden.
func Seal(st Store, key Key, areas ...string) Store {
	s := &sealed{Store: st, key: key, areas: make([]string, len(areas))}
	for i, area := range areas {
		s.areas[i] = strings.TrimSuffix(area, "/") + "/"
	}
	return s
}

// Get opens what the engine returns.
func (s *sealed) Get(ctx context.Context, key string) (Value, error) {
	val, err := s.Store.Get(ctx, key)
	if err != nil {
		return Value{}, err
	}
	if val.Data, err = s.open(key, val.Data); err != nil {
		return Value{}, err
	}
	return val, nil
}

// Put seals val before the engine sees it.
func (s *sealed) Put(ctx context.Context, key string, val []byte, opts PutOpts) (uint64, error) {
	val, err := s.seal(key, val)
	if err != nil {
		return 0, err
	}
	return s.Store.Put(ctx, key, val, opts)
}

// List opens each entry. One that cannot be opened comes as its key alone, with
// ErrSealed, and does not end the List.
func (s *sealed) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for entry, err := range s.Store.List(ctx, prefix) {
			if err == nil {
				entry.Data, err = s.open(entry.Key, entry.Data)
			}
			if err != nil {
				entry = Entry{Key: entry.Key}
			}
			if !yield(entry, err) {
				return
			}
		}
	}
}

func (s *sealed) covers(key string) bool {
	for _, area := range s.areas {
		if strings.HasPrefix(key, area) {
			return true
		}
	}
	return false
}

func (s *sealed) seal(key string, val []byte) ([]byte, error) {
	if !s.covers(key) {
		return val, nil
	}
	if s.key.aead == nil {
		return nil, fmt.Errorf("seal %s: there is no key", key)
	}
	out := make([]byte, 0, sealHeader+len(val)+s.key.aead.Overhead())
	out = append(out, sealVersion)
	out = append(out, s.key.id[:]...)
	return s.key.aead.Seal(out, nil, val, []byte(key)), nil
}

func (s *sealed) open(key string, val []byte) ([]byte, error) {
	if !s.covers(key) {
		return val, nil
	}
	if len(val) < sealHeader || val[0] != sealVersion {
		return nil, fmt.Errorf("%s: %w: it was not sealed by this version", key, ErrSealed)
	}
	if id := [keyIDSize]byte(val[1:]); id != s.key.id || s.key.aead == nil {
		return nil, fmt.Errorf("%s: %w: it needs the key %x, and the one in use is %s: put the former key_file back, or see docs/disaster.md", key, ErrSealed, id, s.key)
	}
	plain, err := s.key.aead.Open([]byte{}, nil, val[sealHeader:], []byte(key))
	if err != nil {
		return nil, fmt.Errorf("%s: %w: it was changed, or moved here from another path", key, ErrSealed)
	}
	return plain, nil
}
