package local

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/regate/regate/internal/state"
)

func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openAt(t, newDir(t), time.Now)
		for i := range 2*sweepBatch + 1 {
			opts := state.PutOpts{TTL: time.Duration(1+i%2) * 3 * time.Minute} // 3 or 6 min
			if _, err := s.Put(t.Context(), fmt.Sprintf("a/%d", i), nil, opts); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Put(t.Context(), "a/ever", nil, noOpts); err != nil {
			t.Fatal(err)
		}
		events := s.Watch(t.Context(), "a/")
		for _, want := range []int{sweepBatch + 1, 1} {
			time.Sleep(3*time.Minute + sweepEvery/2)
			synctest.Wait()
			if got := stored(t, s); got != want {
				t.Errorf("%d records in the file, want %d", got, want)
			}
		}
		if len(events) == 0 {
			t.Error("no watcher was told")
		}
	})
}

// stored counts the records in the file, dead or alive.
func stored(t *testing.T, s *Store) int {
	t.Helper()
	n, err := view(t.Context(), s, func(tx *bbolt.Tx) (int, error) {
		return tx.Bucket(bucketValues).Stats().KeyN, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// many empty values have a prefix, and end when ttl is over, or never if it is 0.
type many struct {
	prefix string
	n      int
	ttl    time.Duration
}

// writeTo writes them in one transaction.
func (m many) writeTo(t testing.TB, s *Store) {
	t.Helper()
	_, err := update(t.Context(), s, func(tx *bbolt.Tx) (struct{}, error) {
		for i := range m.n {
			if _, err := s.put(tx, fmt.Sprintf("%s%07d", m.prefix, i), newRecord(nil), state.PutOpts{TTL: m.ttl}); err != nil {
				return struct{}{}, err
			}
		}
		return struct{}{}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSweepLooksOnce at each value, however many have expired behind those that
// live.
func TestSweepLooksOnce(t *testing.T) {
	clock := newClock()
	s := openAt(t, newDir(t), clock.now)
	const live, dead = 2*sweepPage + 1, 10*sweepBatch + 1
	many{"a/", live, 0}.writeTo(t, s)
	many{"b/", dead, time.Minute}.writeTo(t, s)
	clock.Advance(time.Hour)
	done, err := s.sweepOnce(t.Context(), nil)
	if err != nil || done.next != nil || done.seen != live+dead {
		t.Errorf("sweepOnce() = %d seen, next %q, %v; want %d seen", done.seen, done.next, err, live+dead)
	}
	if got := stored(t, s); got != live {
		t.Errorf("%d records are left, want %d", got, live)
	}
}

// TestSweepGoesOn where it left off: it reads no more of a big file at once than
// of a small one.
func TestSweepGoesOn(t *testing.T) {
	clock := newClock()
	s := openAt(t, newDir(t), clock.now)
	const live, dead = 2*sweepLook - sweepPage, 1
	many{"a/", live, 0}.writeTo(t, s)
	many{"b/", dead, time.Minute}.writeTo(t, s)
	clock.Advance(time.Hour)
	var from []byte
	for i, want := range []struct{ seen, left int }{{sweepLook, live + dead}, {live + dead - sweepLook, live}, {sweepLook, live}} {
		done, err := s.sweepOnce(t.Context(), from)
		if err != nil || done.seen != want.seen || (done.next == nil) != (i == 1) {
			t.Errorf("time %d: %d seen, next %q, %v; want %d seen", i, done.seen, done.next, err, want.seen)
		}
		if got := stored(t, s); got != want.left {
			t.Errorf("time %d: %d records are left, want %d", i, got, want.left)
		}
		from = done.next
	}
}

// BenchmarkSweep is what a minute costs of a file that is too big to be read in
// one.
func BenchmarkSweep(b *testing.B) {
	s, err := open(b.Context(), Config{Path: b.TempDir() + "/state"}, nil, time.Now)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	many{"a/", 2 * sweepLook, time.Hour}.writeTo(b, s)
	for b.Loop() {
		if done, err := s.sweepOnce(b.Context(), nil); err != nil || done.seen != sweepLook {
			b.Fatal(done.seen, err)
		}
	}
}
