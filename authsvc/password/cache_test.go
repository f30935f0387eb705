package password

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/cache"
)

// TestFirstLoginsShareOneComparison is 200 first logins of one user at once.
func TestFirstLoginsShareOneComparison(t *testing.T) {
	p := NewPool(Options{})
	hash := mustHash(t, "p", 4)
	c := NewCache[string](cache.Options{})
	var asked atomic.Int64
	login := func(ctx context.Context) (string, error) {
		asked.Add(1)
		return "alice", p.Compare(ctx, hash, "p")
	}
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			if who, err := c.Do(t.Context(), "alice", "p", login); who != "alice" || err != nil {
				t.Errorf("Do() = %q, %v", who, err)
			}
		})
	}
	all.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("%d comparisons, want 1", n)
	}
}

func TestCacheKnowsOnlyTheSameCredentials(t *testing.T) {
	c := NewCache[string](cache.Options{})
	if _, err := c.Do(t.Context(), "alice", "p", given("alice", nil)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		account, password string
		want              bool
	}{
		{"alice", "p", true},
		{"alice", "q", false},
		{"alice", "", false},
		{"bob", "p", false},
		{"alic", "ep", false},
		{"", "alicep", false},
	} {
		if _, ok := c.known.Get(c.key.sum(tt.account, tt.password)); ok != tt.want {
			t.Errorf("%q with %q is known: %v", tt.account, tt.password, ok)
		}
	}
}

func TestCacheRemembersNoRefusal(t *testing.T) {
	c := NewCache[string](cache.Options{})
	for _, err := range []error{authn.ErrWrongPassword, authn.ErrBusy} {
		if _, got := c.Do(t.Context(), "alice", "p", given("alice", err)); !errors.Is(got, err) {
			t.Errorf("Do() = %v, want %v", got, err)
		}
		if _, ok := c.known.Get(c.key.sum("alice", "p")); ok {
			t.Errorf("known after %v", err)
		}
	}
}

func TestCacheForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCache[string](cache.Options{})
		if _, err := c.Do(t.Context(), "alice", "p", given("alice", nil)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		_, err := c.Do(t.Context(), "alice", "p", given("", authn.ErrWrongPassword))
		if !errors.Is(err, authn.ErrWrongPassword) {
			t.Errorf("Do() after a minute = %v; want the new answer", err)
		}
	})
}

func given(who string, err error) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return who, err }
}

// BenchmarkKnown is a repeated login.
func BenchmarkKnown(b *testing.B) {
	c := NewCache[string](cache.Options{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Do(b.Context(), "alice", "correct horse battery staple", given("alice", nil)); err != nil {
			b.Fatal(err)
		}
	}
}
