//go:build redis

package redis

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/regate/regate/internal/state"
	"github.com/regate/regate/internal/state/redis/redistest"
)

// A counter counts how often the gate waits for the server.
type counter struct{ trips atomic.Int64 }

func (c *counter) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *counter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.trips.Add(1)
		return next(ctx, cmd)
	}
}

func (c *counter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.trips.Add(1)
		return next(ctx, cmds)
	}
}

func TestRoundTrips(t *testing.T) {
	t.Parallel()
	s := openNew(t, config(redistest.Start(t)))
	slow, noOpts := state.Limit{Every: time.Second, Burst: 1}, state.PutOpts{}
	for i := range 100 {
		if _, err := s.Put(t.Context(), "a/b/"+strconv.Itoa(i), nil, noOpts); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Allow(t.Context(), "other", slow, 1); err != nil { // now the server knows the script
		t.Fatal(err)
	}
	c := new(counter)
	s.db.AddHook(c)
	for _, tt := range []struct {
		name string
		do   func(context.Context) error
		want int64
	}{
		{"Get", func(ctx context.Context) error { _, err := s.Get(ctx, "a/b/1"); return err }, 1},
		{"Put", func(ctx context.Context) error { _, err := s.Put(ctx, "a/b/1", nil, noOpts); return err }, 1},
		{"Allow", func(ctx context.Context) error { _, err := s.Allow(ctx, "one", slow, 1); return err }, 1},
		{"List of a hundred", func(ctx context.Context) error {
			for _, err := range s.List(ctx, "a/b/") {
				if err != nil {
					return err
				}
			}
			return nil
		}, 2},
	} {
		before := c.trips.Load()
		if err := tt.do(t.Context()); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if got := c.trips.Load() - before; got != tt.want {
			t.Errorf("%s takes %d round trips, want %d", tt.name, got, tt.want)
		}
	}
}

// BenchmarkAllow is what each password costs that is not remembered, twice.
func BenchmarkAllow(b *testing.B) {
	s := openNew(b, config(redistest.Start(b)))
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := s.Allow(b.Context(), "bucket", state.Limit{Every: time.Millisecond, Burst: 1000}, 1); err != nil {
				b.Error(err)
			}
		}
	})
}
