package redis

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/regate/regate/internal/state"
)

// rehearsed is the key of a value that nobody needs.
const rehearsed = "gate/rehearsal/value"

func (s *Store) rehearseSoon(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	return discreetly(s.rehearse(ctx))
}

// rehearse does each thing that a gate will ask for, where it does no harm. What a
// user may not do is else found out by the first login, or the first revocation.
func (s *Store) rehearse(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		s.rehearseValues, s.rehearseLists, s.rehearseLimit, s.rehearseLease,
	} {
		if err := step(ctx); err != nil && !isOurs(err) {
			return err
		}
	}
	return nil
}

func (s *Store) rehearseValues(ctx context.Context) error {
	if err := s.db.Set(ctx, s.names.health(), "", time.Minute).Err(); err != nil {
		return err
	}
	if _, err := s.put(ctx, rehearsed, nil, state.PutOpts{TTL: time.Minute}); err != nil {
		return err
	}
	if _, err := s.get(ctx, rehearsed); err != nil && !isOurs(err) { // another gate has deleted it
		return err
	}
	return s.delete(ctx, rehearsed, 0)
}

func (s *Store) rehearseLists(ctx context.Context) error {
	group, _, _ := splitGroup(rehearsed)
	by := &redis.ZRangeBy{Min: "-", Max: "+", Count: 1}
	if err := s.db.ZRangeByLex(ctx, s.names.index(group), by).Err(); err != nil {
		return err
	}
	return s.db.Scan(ctx, 0, s.names.pattern(rehearsed), 1).Err()
}

func (s *Store) rehearseLimit(ctx context.Context) error {
	_, err := s.allow(ctx, rehearsed, state.Limit{Every: time.Millisecond, Burst: 1}, 1)
	return err
}

func (s *Store) rehearseLease(ctx context.Context) error {
	l := &lease{store: s, name: rehearsed, owner: rehearsed, ttl: time.Second}
	if err := l.take(ctx); err != nil {
		return err
	}
	return renewScript.Run(ctx, s.db, []string{s.names.lease(l.name)}, l.owner, 0).Err()
}
