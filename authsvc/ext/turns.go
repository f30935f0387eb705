package ext

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/regate/regate/authsvc/authn"
)

// queuePerTurn is how many wait for each that is being asked.
const queuePerTurn = 16

// mostPatience is how long anybody waits for a turn: clients give up after 15 s,
// and the answer takes its time too.
const mostPatience = 5 * time.Second

// turns bound how many questions are asked at once, and how many wait.
type turns struct {
	free     chan struct{} // has room for a question
	waiting  atomic.Int64
	patience time.Duration
}

func newTurns(n int, timeout time.Duration) *turns {
	return &turns{free: make(chan struct{}, n), patience: min(timeout, mostPatience)}
}

// take returns when it is the caller's turn, which lasts until done is called.
// It returns authn.ErrBusy at once if too many wait already, and after the
// patience if there was no turn.
func (t *turns) take(ctx context.Context) (done func(), err error) {
	select {
	case t.free <- struct{}{}:
		return t.give, nil
	default:
	}
	defer t.waiting.Add(-1)
	if t.waiting.Add(1) > int64(cap(t.free)*queuePerTurn) {
		return nil, authn.ErrBusy
	}
	over := time.NewTimer(t.patience)
	defer over.Stop()
	select {
	case t.free <- struct{}{}:
		return t.give, nil
	case <-over.C:
		return nil, authn.ErrBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (t *turns) give() { <-t.free }
