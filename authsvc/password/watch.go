package password

import (
	"context"
	"sync/atomic"
)

type watchKey struct{}

// Watch returns a context, and what reports whether a Pool has compared
// anything in it so far, or taken the time of it.
func Watch(ctx context.Context) (watched context.Context, compared func() bool) {
	seen := new(atomic.Bool)
	return context.WithValue(ctx, watchKey{}, seen), seen.Load
}

// saw tells whoever watches.
func saw(ctx context.Context) {
	if seen, ok := ctx.Value(watchKey{}).(*atomic.Bool); ok {
		seen.Store(true)
	}
}
