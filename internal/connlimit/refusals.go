package connlimit

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"
)

// window is how often a line may tell of refusals; a flood would otherwise
// fill the log.
const window = 10 * time.Second

// refusals tell of connections that were refused.
type refusals struct {
	deps Deps

	mu     sync.Mutex       // guards what follows
	since  map[string]tally // by reason, since the last line
	window *time.Timer      // in which something was told: what comes now is told at its end; nil is none
	ended  bool             // nothing more is told
}

// A tally is of refusals for one reason.
type tally struct {
	count int
	last  netip.Addr
}

func newRefusals(d Deps) refusals {
	if d.Log == nil {
		d.Log = zap.NewNop()
	}
	if d.Refused == nil {
		d.Refused = func(string) {}
	}
	return refusals{deps: d, since: make(map[string]tally)}
}

// Refuse tells of a connection that somebody else has refused.
func (l *Limiter) Refuse(reason string, c net.Conn) { l.refused.add(reason, peer(c)) }

// add counts a refusal. The first one is told at once, the others together at
// the end of each window.
func (r *refusals) add(reason string, from netip.Addr) {
	r.deps.Refused(reason)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.since[reason] = tally{r.since[reason].count + 1, from.Unmap()} // as the lines of requests have it
	if r.window == nil && !r.ended {
		r.tell()
		r.window = time.AfterFunc(window, r.next)
	}
}

// tell writes a line for each reason.
func (r *refusals) tell() {
	for reason, t := range r.since {
		line := []zap.Field{zap.String("reason", reason), zap.Int("count", t.count), zap.Stringer("client", t.last)}
		if advice := r.deps.Advice[reason]; advice != "" {
			line = append(line, zap.String("advice", advice))
		}
		r.deps.Log.Warn("connections refused", line...)
	}
	clear(r.since)
}

// next begins a window.
func (r *refusals) next() {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.ended:
	case len(r.since) > 0:
		r.tell()
		r.window.Reset(window)
	default:
		r.window = nil
	}
}

// end tells what has not been told.
func (r *refusals) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	if r.window != nil {
		r.window.Stop()
		r.tell()
	}
}
