package cache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestEntriesExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New[string, int](Options{TTL: time.Minute})
		c.Set("default", 1)
		c.SetUntil("long", 2, time.Now().Add(time.Hour))
		c.SetUntil("over", 3, time.Now())
		for _, step := range []struct {
			after time.Duration
			want  string
		}{
			{0, "default long"},
			{time.Minute - 1, "default long"},
			{1, "long"},
			{59*time.Minute - 1, "long"},
			{1, ""},
		} {
			time.Sleep(step.after)
			if got := alive(c, "default", "long", "over"); got != step.want {
				t.Errorf("after %v more: %q alive, want %q", step.after, got, step.want)
			}
		}
	})
}

func TestSetUntilThePastForgets(t *testing.T) {
	c := New[string, int](Options{})
	c.Set("k", 1)
	c.SetUntil("k", 2, time.Now().Add(-time.Second))
	if got := alive(c, "k"); got != "" {
		t.Errorf("%q is alive after its end", got)
	}
}

func alive(c *Cache[string, int], keys ...string) string {
	var found []string
	for _, k := range keys {
		if _, ok := c.Get(k); ok {
			found = append(found, k)
		}
	}
	return strings.Join(found, " ")
}

func TestSizeIsBounded(t *testing.T) {
	c := New[int, int](Options{Size: 100})
	for i := range 10_000 {
		c.Set(i, i)
	}
	left := 0
	for i := range 10_000 {
		if v, ok := c.Get(i); ok {
			left++
			if v != i {
				t.Fatalf("Get(%d) = %d", i, v)
			}
		}
	}
	if left == 0 || left > 120 {
		t.Errorf("%d entries left of 10000, want about 100", left)
	}
}

var errLoad = errors.New("directory is down")

func TestDoSharesOneLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New[string, int](Options{})
		var loads atomic.Int64
		load := func(context.Context) (int, error) {
			time.Sleep(time.Second)
			return int(loads.Add(1)), nil
		}
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() {
				if v, err := c.Do(t.Context(), "k", load); v != 1 || err != nil {
					t.Errorf("Do() = %d, %v", v, err)
				}
			})
		}
		all.Wait()
		if v, err := c.Do(t.Context(), "k", load); v != 1 || err != nil {
			t.Errorf("Do() afterwards = %d, %v; want what was kept", v, err)
		}
	})
}

func TestDoKeepsNoError(t *testing.T) {
	c := New[string, int](Options{})
	for i := range 2 {
		if _, err := c.Do(t.Context(), "k", func(context.Context) (int, error) { return 1, errLoad }); !errors.Is(err, errLoad) {
			t.Fatalf("Do() %d: %v", i, err)
		}
	}
	if _, ok := c.Get("k"); ok {
		t.Error("the value beside an error was kept")
	}
	if v, err := c.Do(t.Context(), "k", func(context.Context) (int, error) { return 2, nil }); v != 2 || err != nil {
		t.Errorf("Do() after errors = %d, %v", v, err)
	}
}

func TestWaiterWhoLeavesFailsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f Flights[string, string]
		load := func(ctx context.Context) (string, error) {
			select {
			case <-time.After(10 * time.Second):
				return "loaded", nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}
		first, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() {
			start := time.Now()
			if _, err := f.Do(first, "k", load); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
				t.Errorf("first caller got %v after %v", err, time.Since(start))
			}
		})
		synctest.Wait() // the flight is the first caller's
		all.Go(func() {
			if v, err := f.Do(t.Context(), "k", load); v != "loaded" || err != nil {
				t.Errorf("second caller got %q, %v", v, err)
			}
		})
		all.Wait()
	})
}

func TestLoadEndsWithItsLastWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New[string, string](Options{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			_, _ = c.Do(ctx, "k", func(ctx context.Context) (string, error) {
				<-ctx.Done()
				close(ended)
				return "too late", nil
			})
		}()
		synctest.Wait()
		cancel()
		<-ended
		v, err := c.Do(t.Context(), "k", func(context.Context) (string, error) { return "new", nil })
		if v != "new" || err != nil {
			t.Errorf("Do() = %q, %v; want a load of its own", v, err)
		}
	})
}

func TestPanicInLoadIsAnError(t *testing.T) {
	var f Flights[string, int]
	_, err := f.Do(t.Context(), "k", func(context.Context) (int, error) { panic("ouch") })
	if err == nil || !strings.Contains(err.Error(), "ouch") {
		t.Errorf("Do() = %v", err)
	}
	if v, err := f.Do(t.Context(), "k", func(context.Context) (int, error) { return 1, nil }); v != 1 || err != nil {
		t.Errorf("Do() after the panic = %d, %v", v, err)
	}
}

// TestOneLoadWhateverTheTiming looks for the moment between looking into the
// cache and joining a flight.
func TestOneLoadWhateverTheTiming(t *testing.T) {
	for i := range 200 {
		c := New[int, int](Options{})
		var loads atomic.Int64
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				_, _ = c.Do(t.Context(), i, func(context.Context) (int, error) { return int(loads.Add(1)), nil })
			})
		}
		all.Wait()
		if n := loads.Load(); n != 1 {
			t.Fatalf("round %d: %d loads", i, n)
		}
	}
}

func BenchmarkDoCached(b *testing.B) {
	c := New[string, int](Options{})
	load := func(context.Context) (int, error) { return 1, nil }
	keys := make([]string, 64)
	for i := range keys {
		keys[i] = fmt.Sprint("key", i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := c.Do(b.Context(), keys[i%len(keys)], load); err != nil {
			b.Fatal(err)
		}
	}
}
