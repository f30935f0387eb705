package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"go.uber.org/zap"
)

const (
	// marker says that the far Store has not lost what it had.
	marker     = "meta/whole"
	lookMarker = 5 * time.Second // between two looks at it, hints apart
	nearTime   = 2 * time.Second // for what is done when the caller's time is over
)

// CopyOptions say what a Copy has of its far Store.
type CopyOptions struct {
	// Keeps reports whether the value at key is remembered, served while the
	// far Store cannot be asked, and put back when that has lost it. It is for
	// what must not be made anew: certificates and keys.
	Keeps func(key string) bool
	// Lasting reports whether a kept value never changes once it is there: a
	// far Store with another one is another fleet's, or has been made anew,
	// and neither is written over the other. nil: none.
	Lasting func(key string) bool
	// Mirrors are areas ("revoked/") that are remembered and served as a whole
	// when they have been listed, but not put back.
	Mirrors []string
}

// ErrOther says that the far Store has another value than the local copy where
// it never changes: somebody has to say which of them is right.
var ErrOther = errors.New("the local copy of the state has another one")

// A Copy is a far Store, which many share and which may be away, with a near
// one that remembers part of it. Writes need the far one; so does whoever wants
// to know that something is not there.
//
// What another gate deletes is only forgotten here when it is written anew, so
// a kept value that was deleted may come back: Keeps is for values that do no
// harm then, as a certificate that has expired.
type Copy struct {
	Store // the far one
	near  Store
	opts  CopyOptions
	log   *zap.Logger
}

var _ Store = (*Copy)(nil)

// NewCopy returns a Copy that owns both Stores. Run mends it.
func NewCopy(far, near Store, opts CopyOptions, log *zap.Logger) *Copy {
	if log == nil {
		log = zap.NewNop()
	}
	if opts.Lasting == nil {
		opts.Lasting = func(string) bool { return false }
	}
	return &Copy{Store: far, near: near, opts: opts, log: log}
}

// Get returns the far value. Of one from the near Store the revision is 0, so
// that nothing is written over what the far one has. A lasting value that may be
// in the near one, which cannot be read, is not absent.
func (c *Copy) Get(ctx context.Context, key string) (Value, error) {
	val, err := c.Store.Get(ctx, key)
	switch {
	case !c.opts.Keeps(key) || errors.Is(err, ErrSealed) || errors.Is(ctx.Err(), context.Canceled):
		return val, err
	case err == nil:
		return c.known(ctx, key, val)
	}
	data, unread := c.remembered(ctx, key)
	switch {
	case unread != nil && errors.Is(err, ErrNotFound) && c.opts.Lasting(key):
		return Value{}, fmt.Errorf("local copy of the state: %w", unread)
	case unread != nil:
		return Value{}, err
	case errors.Is(err, ErrNotFound):
		return c.putBack(ctx, key, data)
	}
	return Value{Data: data}, nil
}

// known remembers a far value, unless it cannot be the one of this fleet.
func (c *Copy) known(ctx context.Context, key string, val Value) (Value, error) {
	if c.opts.Lasting(key) {
		if have, err := c.remembered(ctx, key); err == nil && !bytes.Equal(have, val.Data) {
			return Value{}, fmt.Errorf("%s: %w", key, ErrOther)
		}
	}
	c.remember(ctx, key, val.Data, 0)
	return val, nil
}

// putBack heals what the far Store has lost, unless somebody was faster.
func (c *Copy) putBack(ctx context.Context, key string, data []byte) (Value, error) {
	rev, err := c.Store.Put(ctx, key, data, PutOpts{IfRev: new(uint64)})
	switch {
	case errors.Is(err, ErrConflict):
		val, err := c.Store.Get(ctx, key)
		if err != nil {
			return Value{}, err
		}
		return c.known(ctx, key, val)
	case err != nil:
		return Value{Data: data}, nil
	}
	c.log.Info("state had lost a value, and has it again from the local copy", zap.String("key", key))
	return Value{Data: data, Rev: rev}, nil
}

// Put writes to the far Store, and then remembers.
func (c *Copy) Put(ctx context.Context, key string, val []byte, opts PutOpts) (uint64, error) {
	rev, err := c.Store.Put(ctx, key, val, opts)
	if err == nil && c.opts.Keeps(key) {
		c.remember(ctx, key, val, opts.TTL)
	}
	return rev, err
}

// Delete deletes in the far Store, and then forgets.
func (c *Copy) Delete(ctx context.Context, key string, ifRev uint64) error {
	err := c.Store.Delete(ctx, key, ifRev)
	if err == nil && c.opts.Keeps(key) {
		c.forget(ctx, key)
	}
	return err
}

// List lists the far Store, and a mirrored area from the near one if that
// cannot be asked.
func (c *Copy) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	if !c.mirrors(prefix) {
		return c.Store.List(ctx, prefix)
	}
	return func(yield func(Entry, error) bool) {
		seen := make(map[string]bool)
		for entry, err := range c.Store.List(ctx, prefix) {
			if err != nil {
				c.listNear(ctx, prefix, seen, err, yield)
				return
			}
			seen[entry.Key] = true
			c.remember(ctx, entry.Key, entry.Data, 0)
			if !yield(entry, nil) {
				return
			}
		}
		c.forgetOthers(ctx, prefix, seen)
	}
}

// listNear yields what is remembered beside what was seen, or the error that
// kept the far Store from saying so.
func (c *Copy) listNear(ctx context.Context, prefix string, seen map[string]bool, far error, yield func(Entry, error) bool) {
	if errors.Is(ctx.Err(), context.Canceled) || errors.Is(far, ErrSealed) {
		yield(Entry{}, far)
		return
	}
	near, cancel := nearby(ctx)
	defer cancel()
	for entry, err := range c.near.List(near, prefix) {
		if err != nil {
			yield(Entry{}, fmt.Errorf("%w, and the local copy: %w", far, err))
			return
		}
		entry.Rev = 0
		if !seen[entry.Key] && !yield(entry, nil) {
			return
		}
	}
}

func (c *Copy) mirrors(prefix string) bool {
	for _, area := range c.opts.Mirrors {
		if strings.HasPrefix(prefix, area) {
			return true
		}
	}
	return false
}

// Run looks whether the far Store has lost all it had, until ctx is done, and
// then puts back what is remembered, before a gate that remembers nothing
// makes keys anew.
func (c *Copy) Run(ctx context.Context) {
	c.mend(ctx)
	Follow(ctx, c.Store, marker, lookMarker, c.mend)
}

func (c *Copy) mend(ctx context.Context) {
	if _, err := c.Store.Get(ctx, marker); !errors.Is(err, ErrNotFound) {
		return
	}
	for entry, err := range c.near.List(ctx, "") {
		if errors.Is(err, ErrSealed) {
			continue // spoilt since the start
		}
		if err != nil {
			c.log.Warn("local copy cannot be read to its end", zap.Error(err))
			break
		}
		if !c.opts.Keeps(entry.Key) {
			continue
		}
		if _, err := c.Store.Put(ctx, entry.Key, entry.Data, PutOpts{IfRev: new(uint64)}); err == nil {
			c.log.Info("state had lost a value, and has it again from the local copy", zap.String("key", entry.Key))
		} else if !errors.Is(err, ErrConflict) {
			return // next time
		}
	}
	_, _ = c.Store.Put(ctx, marker, nil, PutOpts{}) // next time
}

// Close closes both.
func (c *Copy) Close() error { return errors.Join(c.Store.Close(), c.near.Close()) }

// remembered returns what the near Store has.
func (c *Copy) remembered(ctx context.Context, key string) ([]byte, error) {
	ctx, cancel := nearby(ctx)
	defer cancel()
	val, err := c.near.Get(ctx, key)
	return val.Data, err
}

// remember writes what has changed, since a write is one to a disk. What it
// cannot open stays: it may be the last that there is, under the right key.
func (c *Copy) remember(ctx context.Context, key string, data []byte, ttl time.Duration) {
	have, err := c.remembered(ctx, key)
	if err == nil && bytes.Equal(have, data) {
		return
	}
	ctx, cancel := nearby(ctx)
	defer cancel()
	if !errors.Is(err, ErrSealed) {
		_, err = c.near.Put(ctx, key, data, PutOpts{TTL: ttl})
	}
	if err != nil {
		c.log.Warn("local copy of the state cannot be written", zap.Error(err))
	}
}

func (c *Copy) forget(ctx context.Context, key string) {
	ctx, cancel := nearby(ctx)
	defer cancel()
	if err := c.near.Delete(ctx, key, 0); err != nil {
		c.log.Warn("local copy of the state cannot be written", zap.Error(err))
	}
}

// forgetOthers takes out of the near Store what the far one no longer has.
func (c *Copy) forgetOthers(ctx context.Context, prefix string, seen map[string]bool) {
	near, cancel := nearby(ctx)
	defer cancel()
	for entry, err := range c.near.List(near, prefix) {
		if err != nil {
			return
		}
		if !seen[entry.Key] {
			c.forget(ctx, entry.Key)
		}
	}
}

// nearby is the time for the near Store, also when that for the far one is up.
func nearby(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), nearTime)
}
