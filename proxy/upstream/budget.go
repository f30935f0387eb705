package upstream

import "sync/atomic"

// A budget bounds how much is sent twice: a tenth of all requests, so that a
// store in trouble does not get twice its load. It begins with, and collects up
// to, as many as there can be requests at once, so that a server with all of
// them may die without anybody noticing.
type budget struct {
	most int64
	left atomic.Int64 // in shares of a request
}

// share is what a request earns, of what one more costs.
const share = 10

func newBudget(requests int) *budget {
	b := &budget{most: int64(requests) * share}
	b.left.Store(b.most)
	return b
}

// earn is for each request.
func (b *budget) earn() {
	if b.left.Load() < b.most { // two at once may collect one share more
		b.left.Add(1)
	}
}

// spend reports whether a request may be sent again.
func (b *budget) spend() bool {
	for {
		left := b.left.Load()
		if left < share {
			return false
		}
		if b.left.CompareAndSwap(left, left-share) {
			return true
		}
	}
}
