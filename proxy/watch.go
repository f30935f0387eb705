package proxy

import (
	"sync"
	"time"
)

// A watch ends what makes no progress: it calls end if it is on for longer
// than its limit. Deadlines of the connection would do for HTTP/1.1, but on
// HTTP/2 they break a stream even if nothing waits for it then.
type watch struct {
	limit time.Duration
	end   func()
	timer *time.Timer

	mu   sync.Mutex // guards over
	over bool
}

// newWatch returns a watch that is off. end runs on a goroutine of its own,
// at most once, and never after close.
func newWatch(limit time.Duration, end func()) *watch {
	w := &watch{limit: limit, end: end}
	w.timer = time.AfterFunc(limit, w.fire)
	w.timer.Stop()
	return w
}

func (w *watch) on()  { w.timer.Reset(w.limit) }
func (w *watch) off() { w.timer.Stop() }

func (w *watch) fire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.over {
		w.over = true
		w.end()
	}
}

// close turns the watch off for good, and reports whether it has called end.
func (w *watch) close() (fired bool) {
	w.timer.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	fired, w.over = w.over, true
	return fired
}
