package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// A memory is as much of an engine as sealing needs.
type memory struct {
	Store
	vals map[string][]byte
}

func (m memory) Get(_ context.Context, key string) (Value, error) {
	val, ok := m.vals[key]
	if !ok {
		return Value{}, ErrNotFound
	}
	return Value{Data: val, Rev: 7}, nil
}

func (m memory) Put(_ context.Context, key string, val []byte, _ PutOpts) (uint64, error) {
	m.vals[key] = bytes.Clone(val)
	return 7, nil
}

func (m memory) List(_ context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for _, key := range slices.Sorted(maps.Keys(m.vals)) {
			if strings.HasPrefix(key, prefix) && !yield(Entry{key, Value{m.vals[key], 7}}, nil) {
				return
			}
		}
	}
}

func testKey(t testing.TB, first byte) Key {
	t.Helper()
	key, err := NewKey([32]byte{first})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newSealed(t testing.TB) (Store, memory) {
	m := memory{vals: make(map[string][]byte)}
	return Seal(m, testKey(t, 1), "tls/", "keys"), m
}

func TestSealedAreas(t *testing.T) {
	st, m := newSealed(t)
	for key, sealed := range map[string]bool{
		"tls/a": true, "keys/a": true, "keysmith/a": false, "tls": false, "revoked/tls/a": false,
	} {
		val := []byte("the value of " + key)
		if _, err := st.Put(t.Context(), key, val, PutOpts{}); err != nil {
			t.Fatal(err)
		}
		if got := !bytes.Contains(m.vals[key], val); got != sealed {
			t.Errorf("%q is sealed: %v, want %v", key, got, sealed)
		}
		if got, err := st.Get(t.Context(), key); err != nil || !bytes.Equal(got.Data, val) || got.Rev != 7 {
			t.Errorf("Get(%q) = %q, revision %d, %v", key, got.Data, got.Rev, err)
		}
	}
	for entry, err := range st.List(t.Context(), "") {
		if want := "the value of " + entry.Key; err != nil || string(entry.Data) != want || entry.Rev != 7 {
			t.Errorf("List yields %q = %q, %v", entry.Key, entry.Data, err)
		}
	}
	if _, err := st.Get(t.Context(), "tls/none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("Get of nothing = %v, want ErrNotFound", err)
	}
}

// TestSealRoundTrip: whatever the value is, it comes back at its own path and
// under its own key, and nowhere else; and no bit of it can be changed.
func TestSealRoundTrip(t *testing.T) {
	st, m := newSealed(t)
	other := Seal(m, testKey(t, 2), "tls", "keys")
	rnd := rand.New(rand.NewPCG(1, 2))
	random := func(max int) []byte {
		b := make([]byte, rnd.IntN(max))
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		return b
	}
	for range 300 {
		key, val := "tls/"+string(random(40)), random(2000)
		if _, err := st.Put(t.Context(), key, val, PutOpts{}); err != nil {
			t.Fatal(err)
		}
		if got, err := st.Get(t.Context(), key); err != nil || !bytes.Equal(got.Data, val) {
			t.Fatalf("Get(%q) = %x, %v, want %x", key, got.Data, err, val)
		}
		refuse(t, other, key, "another key")

		good := m.vals[key]
		m.vals[key+"x"] = good
		refuse(t, st, key+"x", "moved")
		m.vals["keys"+key[3:]] = good
		refuse(t, st, "keys"+key[3:], "moved to another area")

		bad := bytes.Clone(good)
		bad[rnd.IntN(len(bad))] ^= 1 << rnd.IntN(8)
		m.vals[key] = bad
		refuse(t, st, key, "one bit changed")
		m.vals[key] = good[:rnd.IntN(len(good))]
		refuse(t, st, key, "cut short")
		m.vals[key] = val
		refuse(t, st, key, "never sealed")
		clear(m.vals)
	}
}

func refuse(t *testing.T, st Store, key, why string) {
	t.Helper()
	got, err := st.Get(t.Context(), key)
	if !errors.Is(err, ErrSealed) || errors.Is(err, ErrNotFound) || got.Data != nil {
		t.Errorf("Get of a value that was %s = %x, %v, want ErrSealed", why, got.Data, err)
	}
	for entry, err := range st.List(t.Context(), key) {
		if !errors.Is(err, ErrSealed) || entry.Data != nil {
			t.Errorf("List of a value that was %s yields %x, %v, want ErrSealed", why, entry.Data, err)
		}
	}
}

// TestWhatCannotBeOpenedHidesNothing: whoever lists it hears of it by its key,
// and of all others.
func TestWhatCannotBeOpenedHidesNothing(t *testing.T) {
	st, m := newSealed(t)
	for _, key := range []string{"tls/a", "tls/c"} {
		if _, err := st.Put(t.Context(), key, []byte("of "+key), PutOpts{}); err != nil {
			t.Fatal(err)
		}
	}
	m.vals["tls/b"] = []byte("junk")
	var got []string
	for entry, err := range st.List(t.Context(), "tls/") {
		got = append(got, fmt.Sprint(entry.Key, " ", string(entry.Data), " ", errors.Is(err, ErrSealed)))
	}
	if want := []string{"tls/a of tls/a false", "tls/b  true", "tls/c of tls/c false"}; !slices.Equal(got, want) {
		t.Errorf("List yields %q, want %q", got, want)
	}
}

func TestSealHidesEqualValues(t *testing.T) {
	st, m := newSealed(t)
	seen := make(map[string]bool)
	for range 100 {
		if _, err := st.Put(t.Context(), "tls/a", []byte("same"), PutOpts{}); err != nil {
			t.Fatal(err)
		}
		seen[string(m.vals["tls/a"])] = true
	}
	if len(seen) != 100 {
		t.Errorf("a value that was written 100 times has %d forms", len(seen))
	}
}

func TestSealSaysWhichKey(t *testing.T) {
	st, m := newSealed(t)
	if _, err := st.Put(t.Context(), "tls/a", nil, PutOpts{}); err != nil {
		t.Fatal(err)
	}
	one, two := testKey(t, 1), testKey(t, 2)
	_, err := Seal(m, two, "tls").Get(t.Context(), "tls/a")
	want := fmt.Sprintf("tls/a: sealed value cannot be opened: it needs the key %s, and the one in use is %s: put the former key_file back, or see docs/disaster.md", one.ID(), two.ID())
	if err == nil || err.Error() != want {
		t.Errorf("Get with another key = %v, want %s", err, want)
	}
}

func TestSealWithoutKey(t *testing.T) {
	st, m := newSealed(t)
	if _, err := st.Put(t.Context(), "tls/a", nil, PutOpts{}); err != nil {
		t.Fatal(err)
	}
	none := Seal(m, Key{}, "tls")
	refuse(t, none, "tls/a", "sealed with a key")
	if _, err := none.Put(t.Context(), "tls/b", nil, PutOpts{}); err == nil || m.vals["tls/b"] != nil {
		t.Errorf("Put without a key = %v, want an error", err)
	}
}

func FuzzOpen(f *testing.F) {
	st, m := newSealed(f)
	if _, err := st.Put(context.Background(), "tls/a", []byte("x"), PutOpts{}); err != nil {
		f.Fatal(err)
	}
	good := m.vals["tls/a"]
	f.Add([]byte{})
	f.Add(good)
	f.Add(good[:5])
	f.Add(good[:len(good)-1])
	f.Fuzz(func(t *testing.T, raw []byte) {
		val, err := st.(*sealed).open("tls/a", raw)
		if err == nil && string(val) != "x" {
			t.Errorf("open(%x) = %q", raw, val)
		}
		if err != nil && !errors.Is(err, ErrSealed) {
			t.Errorf("open(%x) = %v, want ErrSealed", raw, err)
		}
	})
}
