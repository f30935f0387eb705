package state

import (
	"context"
	"time"
)

// Follow calls look until ctx is done: after each hint at a change below
// prefix, and at least every so often, since hints may be lost.
func Follow(ctx context.Context, s Store, prefix string, every time.Duration, look func(context.Context)) {
	hints := s.Watch(ctx, prefix)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case _, open := <-hints:
			if !open {
				hints = nil // a closed Store has no more of them
			}
		case <-ticker.C:
		}
		look(ctx)
	}
}
