package acme

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/regate/regate/internal/state"
)

// area is where certmagic's keys are in the state.
const area = "tls/"

// A storage is a state.Store as certmagic wants it: keys are paths, what is
// not there is fs.ErrNotExist, and locks block. Each operation has a deadline,
// since certmagic keeps locks of its own while it waits for one.
type storage struct {
	store    state.Store
	deadline time.Duration
	log      *zap.Logger
	life     context.Context // with it, all operations end
	cancel   context.CancelFunc

	releasing sync.WaitGroup // leases that Unlock is giving back

	mu     sync.Mutex
	locks  map[string]*lock  // by name; held or waited for by this process
	drafts map[string]bundle // by directory; not written yet
	failed error             // of the last Load; nil if the state answered
	unkept error             // of the last Store
	lost   map[string]bool   // hosts, as in keys, whose certificate could not be kept
}

var (
	_ certmagic.Storage          = (*storage)(nil)
	_ certmagic.TryLocker        = (*storage)(nil)
	_ certmagic.LockLeaseRenewer = (*storage)(nil)
)

func newStorage(store state.Store, deadline time.Duration, log *zap.Logger) *storage {
	s := &storage{store: store, deadline: deadline, log: log, locks: map[string]*lock{}, drafts: map[string]bundle{}, lost: map[string]bool{}}
	s.life, s.cancel = context.WithCancel(context.Background())
	return s
}

// String is how certmagic logs it.
func (s *storage) String() string { return "state" }

// end is for Close: certmagic's maintenance cannot be told to stop while it
// waits for storage.
func (s *storage) end() { s.cancel() }

func (s *storage) within(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, s.deadline)
	stop := context.AfterFunc(s.life, cancel)
	return ctx, func() { stop(); cancel() }
}

// Store implements certmagic.Storage.
func (s *storage) Store(ctx context.Context, key string, value []byte) error {
	asked := ctx
	ctx, cancel := s.within(ctx)
	defer cancel()
	err := s.keepValue(ctx, key, value)
	s.mu.Lock()
	defer s.mu.Unlock()
	if asked.Err() == nil { // or else it was called off, which says nothing of the state
		s.unkept = err
	}
	if dir, part, ok := splitAsset(key); ok && part == lastPart {
		s.lost[path.Base(dir)] = err != nil
	}
	return err
}

// hasLost reports whether the last certificate for host could not be kept.
func (s *storage) hasLost(host string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost[certmagic.StorageKeys.Safe(host)]
}

func (s *storage) keepValue(ctx context.Context, key string, value []byte) error {
	if dir, part, ok := splitAsset(key); ok {
		return s.storeAsset(ctx, dir, part, value)
	}
	_, err := s.store.Put(ctx, area+key, value, state.PutOpts{})
	return err
}

// probe reports whether the state could keep a certificate now, and give it
// back. What it writes leaves room for one, on a disk that is almost full.
func (s *storage) probe(ctx context.Context) error {
	const key = "probe"
	if err := s.Store(ctx, key, make([]byte, 16<<10)); err != nil {
		return err
	}
	if _, err := s.Load(ctx, key); err != nil && !errors.Is(err, fs.ErrNotExist) { // which another one's probe took
		return err
	}
	return s.Delete(ctx, key)
}

// Load implements certmagic.Storage.
func (s *storage) Load(ctx context.Context, key string) ([]byte, error) {
	asked := ctx
	ctx, cancel := s.within(ctx)
	defer cancel()
	value, err := s.load(ctx, key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if asked.Err() == nil {
		s.failed = err
	}
	return value, notExist(key, err)
}

func (s *storage) load(ctx context.Context, key string) ([]byte, error) {
	if dir, part, ok := splitAsset(key); ok {
		b, _, err := s.loadBundle(ctx, dir)
		return b[part], err
	}
	v, err := s.store.Get(ctx, area+key)
	return v.Data, err
}

// trouble is why the state did not answer, or keep something, when it was last
// asked to, or nil.
func (s *storage) trouble() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil && !errors.Is(s.failed, state.ErrNotFound) {
		return s.failed
	}
	return s.unkept
}

// Delete implements certmagic.Storage: key, and everything below it.
func (s *storage) Delete(ctx context.Context, key string) error {
	ctx, cancel := s.within(ctx)
	defer cancel()
	if dir, part, ok := splitAsset(key); ok {
		return s.deleteAsset(ctx, dir, part)
	}
	for e, err := range s.store.List(ctx, area+key+"/") {
		if err != nil {
			return err
		}
		if err := s.store.Delete(ctx, e.Key, 0); err != nil {
			return err
		}
	}
	return s.store.Delete(ctx, area+key, 0)
}

// Exists implements certmagic.Storage. It cannot return an error, and certmagic
// orders a certificate when it hears that there is none; so if the state does
// not answer, the answer is that there is one. The Load that follows fails.
func (s *storage) Exists(ctx context.Context, key string) bool {
	_, err := s.Stat(ctx, key)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		_, err = s.Stat(ctx, key)
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return err == nil
	}
	s.log.Warn("state cannot be asked for a certificate", zap.String("key", key), zap.Error(err))
	return true
}

// Stat implements certmagic.Storage.
func (s *storage) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	value, err := s.Load(ctx, key)
	if err == nil {
		return certmagic.KeyInfo{Key: key, Size: int64(len(value)), IsTerminal: true}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return certmagic.KeyInfo{}, err
	}
	if _, err := s.List(ctx, key, false); err != nil {
		return certmagic.KeyInfo{}, err
	}
	return certmagic.KeyInfo{Key: key}, nil
}

// List implements certmagic.Storage: the keys below path, or with recursive
// false its children, directories included.
func (s *storage) List(ctx context.Context, path string, recursive bool) ([]string, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	var keys []string
	for e, err := range s.store.List(ctx, area+path+"/") {
		if err != nil {
			return nil, err
		}
		for _, key := range expand(strings.TrimPrefix(e.Key, area)) {
			if !recursive {
				key = child(path, key)
			}
			if len(keys) == 0 || keys[len(keys)-1] != key { // they come sorted
				keys = append(keys, key)
			}
		}
	}
	if len(keys) == 0 {
		return nil, notExist(path, state.ErrNotFound)
	}
	return keys, nil
}

// child is the part of key that ends with the first element below path.
func child(path, key string) string {
	name, _, _ := strings.Cut(key[len(path)+1:], "/")
	return path + "/" + name
}

func notExist(key string, err error) error {
	if errors.Is(err, state.ErrNotFound) {
		return fmt.Errorf("%s: %w", key, fs.ErrNotExist)
	}
	return err
}
