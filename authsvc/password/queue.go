package password

import (
	"context"
	"net/netip"
	"sync"

	"github.com/regate/regate/internal/network"
)

type networkKey struct{}

// From returns a context for the comparisons of a client at addr, whose network
// has at most half of the queue: somebody who guesses is not to keep all others
// out of it.
func From(ctx context.Context, addr netip.Addr) context.Context {
	return context.WithValue(ctx, networkKey{}, network.Large(addr))
}

// A queue counts who waits, and from where.
type queue struct {
	most int

	mu      sync.Mutex // guards all below
	waiting int
	from    map[netip.Prefix]int
}

func newQueue(most int) *queue { return &queue{most: most, from: make(map[netip.Prefix]int)} }

// join reports whether there is room for one more; leave gives it back.
func (q *queue) join(ctx context.Context) (leave func(), ok bool) {
	from, _ := ctx.Value(networkKey{}).(netip.Prefix)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting >= q.most || from.IsValid() && q.from[from] >= (q.most+1)/2 {
		return nil, false
	}
	q.waiting++
	q.from[from]++
	return func() { q.leave(from) }, true
}

func (q *queue) leave(from netip.Prefix) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting--
	if q.from[from]--; q.from[from] == 0 {
		delete(q.from, from)
	}
}
