// Package redis is the state engine of a fleet: a state.Store in a Redis (6.2
// or newer) or Valkey that all gates share, be it one server, one that
// Sentinels watch, or a Cluster.
//
// In go values, out come the same; what must not be torn apart is a script
// that the server runs by its own clock. A server that would lose the state is
// refused. One that is away is left alone until it is back: whoever asks
// meanwhile gets an error at once, also at the start, since a gate must come
// up without it. Nothing is encrypted: that is state.Seal. A Store lives as
// long as the process.
package redis

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

// Open returns the Store of cfg. It fails with ErrUnfit if the server cannot
// be used, but not if it cannot be reached.
func Open(ctx context.Context, cfg Config, log *zap.Logger) (*Store, error) {
	return open(ctx, cfg, defaultPrefix, log)
}

func open(ctx context.Context, cfg Config, prefix string, log *zap.Logger) (*Store, error) {
	if log == nil {
		log = zap.NewNop()
	}
	redis.SetLogger(silence{})
	db, err := newClient(cfg)
	if err != nil {
		return nil, fmt.Errorf("state.redis: %w", err)
	}
	s := &Store{cfg: cfg, db: db, names: names{prefix}, log: log, warned: make(map[string]bool)}
	s.ends, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	err = s.inspectSoon(ctx)
	if errors.Is(err, ErrUnfit) || ctx.Err() != nil {
		return nil, errors.Join(fmt.Errorf("state.redis: %w", err), s.Close())
	}
	if err != nil {
		log.Warn("state cannot be reached", zap.Error(err))
		s.link.settle(err)
		s.task(s.tend)
	} else if err := s.rehearseSoon(ctx); isRefused(err) {
		s.link.note(ctx, err)
		s.tellRefusal(err)
	}
	s.task(s.patrol)
	s.listenSoon(ctx)
	return s, nil
}

// go-redis has one logger for the process, and writes a line to it for each
// connection that fails. What that means is ours to say.
type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}
