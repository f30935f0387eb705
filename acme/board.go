package acme

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"time"

	"github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"

	"github.com/regate/regate/acme/client"
	"github.com/regate/regate/internal/state"
)

const (
	boardArea  = area + "challenges/"
	boardLife  = time.Hour                // of a question whose gate has died
	boardEvery = 2 * time.Second          // between two looks, hints apart
	boardTime  = 3 * time.Second          // for one look
	boardSeen  = boardEvery + boardTime/6 // after which every gate has looked
)

// A board has the open questions of all gates in the state, because a CA may
// reach any of them. Each gate has a copy in memory and answers from that:
// anybody can pose as a CA, and must not be able to ask the state.
type board struct {
	store state.Store
	log   *zap.Logger
	odd   map[string]bool // keys that could not be read at the last look
}

var _ client.Board = (*board)(nil)

// boardKey is where the question about a host stands: there is one at a time,
// as the host is locked by whoever orders.
func boardKey(host string) string { return boardArea + url.PathEscape(host) }

// Post implements client.Board.
func (b *board) Post(ctx context.Context, host string, ch acme.Challenge) error {
	ctx, cancel := context.WithTimeout(ctx, boardTime)
	defer cancel()
	text, err := json.Marshal(ch)
	if err != nil {
		return err
	}
	_, err = b.store.Put(ctx, boardKey(host), text, state.PutOpts{TTL: boardLife})
	return err
}

// Settle implements client.Board. Hints mostly come in a millisecond, but a
// question that somebody has not heard of is an order that fails.
func (b *board) Settle(ctx context.Context) error {
	wait := time.NewTimer(boardSeen)
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Remove implements client.Board. The question of a later order stays.
func (b *board) Remove(ctx context.Context, host string, ch acme.Challenge) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), boardTime)
	defer cancel()
	val, err := b.store.Get(ctx, boardKey(host))
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	var there acme.Challenge
	if err != nil || json.Unmarshal(val.Data, &there) == nil && there.Token != ch.Token {
		return err
	}
	err = b.store.Delete(ctx, boardKey(host), val.Rev)
	if errors.Is(err, state.ErrConflict) { // a later one is there by now
		return nil
	}
	return err
}

// run shows the questions of all gates to open until ctx is done. It is called
// once.
func (b *board) run(ctx context.Context, open *client.Challenges) {
	look := func(ctx context.Context) {
		all, err := b.read(ctx)
		if err != nil {
			b.log.Debug("challenges of other gates cannot be read", zap.Error(err))
			return
		}
		open.Show(all)
	}
	look(ctx)
	state.Follow(ctx, b.store, boardArea, boardEvery, look)
}

// read returns the questions that there are. One that cannot be read hides no
// other, and is told of once.
func (b *board) read(ctx context.Context) (all []acme.Challenge, err error) {
	ctx, cancel := context.WithTimeout(ctx, boardTime)
	defer cancel()
	odd := make(map[string]bool)
	for e, err := range b.store.List(ctx, boardArea) {
		if err != nil && !errors.Is(err, state.ErrSealed) {
			return nil, err
		}
		var ch acme.Challenge
		if err == nil {
			err = json.Unmarshal(e.Data, &ch)
		}
		if err == nil {
			all = append(all, ch)
			continue
		}
		if odd[e.Key] = true; !b.odd[e.Key] {
			b.log.Warn("challenge of another gate cannot be read", zap.String("key", e.Key), zap.Error(err))
		}
	}
	b.odd = odd
	return all, nil
}
