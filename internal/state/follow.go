package state

import (
	"context"
	"time"
)

// Follow calls look until ctx is done: after hints at changes below prefix, and
// at least every so often, since hints may be lost.
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
			drain(hints)
		case <-ticker.C:
		}
		look(ctx)
	}
}

// drain takes the hints that wait: one look sees what all of them are about.
func drain(hints <-chan Event) {
	for {
		select {
		case _, open := <-hints:
			if !open {
				return
			}
		default:
			return
		}
	}
}
