package password

import (
	"context"

	"github.com/regate/regate/internal/cache"
)

// A Cache remembers who logged in with a good password, by a keyed hash of
// the account and the password. Clients log in again for each of their
// operations, so it is what keeps bcrypt and directories out of most of them.
//
// It makes a password that was changed elsewhere good for as long as an entry
// lives, a minute unless the options say otherwise. Wrong passwords are not
// remembered.
type Cache[T any] struct {
	key   key
	known *cache.Cache[sum, T]
}

// NewCache returns an empty cache.
func NewCache[T any](o cache.Options) *Cache[T] {
	return &Cache[T]{newKey(), cache.New[sum, T](o)}
}

// Do returns what was found out about the account when it last logged in with
// this password or, if that is too long ago, what load finds out, and
// remembers that. Equal questions at the same time share one load; its error
// is shared, but not remembered.
func (c *Cache[T]) Do(ctx context.Context, account, password string, load func(context.Context) (T, error)) (T, error) {
	return c.known.Do(ctx, c.key.sum(account, password), load)
}
