//go:build redis

package redis

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/regate/regate/internal/state"
	"github.com/regate/regate/internal/state/redis/redistest"
	"github.com/regate/regate/internal/state/statetest"
)

func TestConformance(t *testing.T) {
	cfg := config(redistest.Start(t))
	statetest.Run(t, func(t *testing.T) state.Store { return openNew(t, cfg) })
}

func TestConformanceSealed(t *testing.T) {
	cfg := config(redistest.Start(t))
	statetest.Run(t, func(t *testing.T) state.Store {
		key, err := state.NewKey([32]byte{1})
		if err != nil {
			t.Fatal(err)
		}
		return state.Seal(openNew(t, cfg), key, "a", "tls", "owner")
	})
}

// TestConformanceBehindSentinels has the master killed in the middle of it. What
// goes on at that moment is TestFailover's.
func TestConformanceBehindSentinels(t *testing.T) {
	master, cfg := startSentinels(t)
	suite := func(t *testing.T) { statetest.Run(t, func(t *testing.T) state.Store { return openNew(t, cfg) }) }
	t.Run("before", suite)
	old := openNew(t, cfg)
	master.Kill()
	redistest.Soon(t, "there is another master", func() error { return addOne(t.Context(), old, 0) })
	t.Run("after", suite)
}

func TestConformanceOfACluster(t *testing.T) {
	cfg := startCluster(t)
	statetest.Run(t, func(t *testing.T) state.Store { return openNew(t, cfg) })
}

// A clock moves by taking from the life of every key, which is the same to
// them: nobody can move the server's.
type clock struct {
	t  testing.TB
	db *redis.Client
}

func (c clock) Advance(d time.Duration) {
	ctx := context.Background()
	all, err := c.db.Keys(ctx, "*").Result()
	if err != nil {
		c.t.Fatal(err)
	}
	for _, key := range all {
		left, err := c.db.PTTL(ctx, key).Result()
		if err != nil {
			c.t.Fatal(err)
		}
		if left > 0 {
			c.db.PExpire(ctx, key, left-d+slack)
		}
	}
}

// slack is for the time that really goes by meanwhile; a life that ends on the
// millisecond ends.
const slack = 0

func TestExpiry(t *testing.T) {
	statetest.Expiry(t, func(t *testing.T) (state.Store, statetest.Clock) {
		s := redistest.Start(t)
		return openNew(t, config(s)), clock{t, cli(t, s)}
	})
}
