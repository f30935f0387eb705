package statetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/regate/regate/internal/state"
)

func testAbsent(t *testing.T, st state.Store) {
	put(t, st, "a/bc", "x")
	for _, key := range []string{"a/b", "a/bcd", "a", "a/", "A/bc"} {
		wantValue(t, st, key, "")
	}
	if got := keys(t, st, "b"); got != nil {
		t.Errorf("List(b) = %q, want none", got)
	}
}

func testRoundTrip(t *testing.T, st state.Store) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for key, val := range map[string][]byte{
		"tls/acme/example.com/sites/*.example.com/crt": []byte("x"),
		"limit/10.0.0.0|24 ä":                          all,
		"owner/" + strings.Repeat("long/", 100) + "id": bytes.Repeat(all, 4096), // 1 MiB
		"secret/{a}:b": {},
	} {
		rev, err := st.Put(within(t), key, val, state.PutOpts{})
		if err != nil {
			t.Fatalf("Put(%q) = %v", key, err)
		}
		got, err := st.Get(within(t), key)
		if err != nil || !bytes.Equal(got.Data, val) || got.Rev != rev {
			t.Errorf("Get(%q) = %d bytes, revision %d, %v, want %d bytes, revision %d", key, len(got.Data), got.Rev, err, len(val), rev)
		}
	}
}

func testCopies(t *testing.T, st state.Store) {
	val := []byte("before")
	if _, err := st.Put(within(t), "a/b", val, state.PutOpts{}); err != nil {
		t.Fatal(err)
	}
	copy(val, "after!")
	first, err := st.Get(within(t), "a/b")
	if err != nil {
		t.Fatal(err)
	}
	copy(first.Data, "mine!!")
	for entry, err := range st.List(within(t), "a/") {
		if err != nil {
			t.Fatal(err)
		}
		copy(entry.Data, "mine!!")
	}
	wantValue(t, st, "a/b", "before")
}

func testRevisions(t *testing.T, st state.Store) {
	var last uint64
	for i := range 6 {
		rev := put(t, st, "a/b", "same")
		if rev <= last {
			t.Errorf("write %d has revision %d, after %d", i, rev, last)
		}
		last = rev
		if i%2 == 1 { // a value that comes back must not look like the one that was there
			if err := st.Delete(within(t), "a/b", 0); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func testIfRev(t *testing.T, st state.Store) {
	ifRev := func(rev uint64) state.PutOpts { return state.PutOpts{IfRev: &rev} }

	_, err := st.Put(within(t), "a/b", []byte("x"), ifRev(7))
	wantErr(t, "Put over nothing with revision 7", err, state.ErrConflict)
	wantValue(t, st, "a/b", "")

	one, err := st.Put(within(t), "a/b", []byte("one"), ifRev(0))
	wantErr(t, "Put over nothing with revision 0", err, nil)
	_, err = st.Put(within(t), "a/b", []byte("x"), ifRev(0))
	wantErr(t, "Put over a value with revision 0", err, state.ErrConflict)

	_, err = st.Put(within(t), "a/b", []byte("two"), ifRev(one))
	wantErr(t, "Put with the right revision", err, nil)
	_, err = st.Put(within(t), "a/b", []byte("x"), ifRev(one))
	wantErr(t, "Put with an old revision", err, state.ErrConflict)
	wantValue(t, st, "a/b", "two")
}

func testFence(t *testing.T, st state.Store) {
	write := func(val string, fence uint64) error {
		_, err := st.Put(within(t), "a/b", []byte(val), state.PutOpts{Fence: fence})
		return err
	}
	wantErr(t, "Put with fence 5", write("five", 5), nil)
	wantErr(t, "Put with fence 5 again", write("five again", 5), nil)
	wantErr(t, "Put with fence 4 after 5", write("x", 4), state.ErrConflict)
	wantValue(t, st, "a/b", "five again")
	wantErr(t, "Put without fence", write("none", 0), nil)
	wantErr(t, "Put with fence 4 after 5 and none", write("x", 4), state.ErrConflict)
	wantErr(t, "Put with fence 6", write("six", 6), nil)
	wantValue(t, st, "a/b", "six")
}

func testDelete(t *testing.T, st state.Store) {
	wantErr(t, "Delete of nothing", st.Delete(within(t), "a/b", 0), nil)
	wantErr(t, "Delete of nothing with a revision", st.Delete(within(t), "a/b", 3), state.ErrConflict)

	old := put(t, st, "a/b", "old")
	rev := put(t, st, "a/b", "new")
	wantErr(t, "Delete with an old revision", st.Delete(within(t), "a/b", old), state.ErrConflict)
	wantValue(t, st, "a/b", "new")
	wantErr(t, "Delete with the right revision", st.Delete(within(t), "a/b", rev), nil)
	wantValue(t, st, "a/b", "")

	put(t, st, "a/b", "again")
	wantErr(t, "Delete", st.Delete(within(t), "a/b", 0), nil)
	wantValue(t, st, "a/b", "")
}

func testList(t *testing.T, st state.Store) {
	for _, key := range []string{"b/2", "b/1/x", "a/1", "b/10", "ba/1", "b/gone"} {
		put(t, st, key, "of "+key)
	}
	if err := st.Delete(within(t), "b/gone", 0); err != nil {
		t.Fatal(err)
	}
	for prefix, want := range map[string][]string{
		"b/":   {"b/1/x", "b/10", "b/2"},
		"b/1":  {"b/1/x", "b/10"},
		"b/2":  {"b/2"},
		"b":    {"b/1/x", "b/10", "b/2", "ba/1"},
		"":     {"a/1", "b/1/x", "b/10", "b/2", "ba/1"},
		"b/2/": nil,
		"c":    nil,
	} {
		if got := keys(t, st, prefix); !slices.Equal(got, want) {
			t.Errorf("List(%q) = %q, want %q", prefix, got, want)
		}
	}
	for entry, err := range st.List(within(t), "") {
		val, errGet := st.Get(within(t), entry.Key)
		if err != nil || errGet != nil || string(entry.Data) != "of "+entry.Key || entry.Rev != val.Rev {
			t.Errorf("List yields %q = %q, revision %d (%v), Get revision %d (%v)", entry.Key, entry.Data, entry.Rev, err, val.Rev, errGet)
		}
		if entry.Key == "b/10" {
			break // the rest is not asked for
		}
	}
}

func testListMany(t *testing.T, st state.Store) {
	const count = 300 // more than an engine would fetch at once
	for i := range count {
		put(t, st, fmt.Sprintf("a/%04d", i), strconv.Itoa(i))
	}
	i := 0
	for entry, err := range st.List(within(t), "a/") {
		if want := fmt.Sprintf("a/%04d", i); err != nil || entry.Key != want || string(entry.Data) != strconv.Itoa(i) {
			t.Fatalf("entry %d is %q = %q, %v", i, entry.Key, entry.Data, err)
		}
		i++
	}
	if i != count {
		t.Errorf("List yields %d entries of %d", i, count)
	}
}

func testListAndWrite(t *testing.T, st state.Store) {
	for i := range 20 {
		put(t, st, fmt.Sprintf("a/%02d", i), "x")
	}
	seen := 0
	for entry, err := range st.List(within(t), "a/") {
		if err != nil {
			t.Fatal(err)
		}
		seen++
		put(t, st, "b/"+entry.Key, strings.Repeat("y", 10_000))
		if err := st.Delete(within(t), entry.Key, entry.Rev); err != nil {
			t.Fatalf("Delete(%q) = %v", entry.Key, err)
		}
	}
	if left := keys(t, st, "a/"); seen != 20 || left != nil {
		t.Errorf("%d entries seen, %q left", seen, left)
	}
}

// testCounting has a hundred writers that each add one. Without a sound
// compare-and-swap some of them would get lost.
func testCounting(t *testing.T, st state.Store) {
	const writers = 100
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			if err := addOne(within(t), st, "a/sum"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	wantValue(t, st, "a/sum", strconv.Itoa(writers))
}

func addOne(ctx context.Context, st state.Store, key string) error {
	for {
		val, err := st.Get(ctx, key)
		if err != nil && !errors.Is(err, state.ErrNotFound) {
			return err
		}
		sum, _ := strconv.Atoi(string(val.Data)) // nothing is 0
		_, err = st.Put(ctx, key, strconv.AppendInt(nil, int64(sum+1), 10), state.PutOpts{IfRev: &val.Rev})
		if !errors.Is(err, state.ErrConflict) {
			return err
		}
	}
}

func testContext(t *testing.T, st state.Store) {
	put(t, st, "a/b", "there")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	_, err := st.Get(ctx, "a/b")
	wantErr(t, "Get", err, context.Canceled)
	_, err = st.Put(ctx, "a/b", []byte("x"), state.PutOpts{})
	wantErr(t, "Put", err, context.Canceled)
	wantErr(t, "Delete", st.Delete(ctx, "a/b", 0), context.Canceled)
	wantErr(t, "Health", st.Health(ctx), context.Canceled)
	_, err = st.Acquire(ctx, "a", leaseTTL)
	wantErr(t, "Acquire", err, context.Canceled)
	entries := 0
	for _, err := range st.List(ctx, "a/") {
		entries++
		wantErr(t, "List", err, context.Canceled)
	}
	if entries != 1 {
		t.Errorf("List yields %d times, want once, with the error", entries)
	}

	wantValue(t, st, "a/b", "there")
	release(t, acquire(t, st, "a")) // what failed holds nothing
}
