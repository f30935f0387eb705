package proxy

import (
	"sync"
	"sync/atomic"
	"time"
)

// A watch ends what makes no progress: it calls end if it is on for longer
// than its limit. Deadlines of the connection would do for HTTP/1.1, but on
// HTTP/2 they break a stream even if nothing waits for it then.
type watch struct {
	limit time.Duration
	end   func()
	timer *time.Timer

	floor *floor // nil if any progress will do

	mu      sync.Mutex // guards what follows
	over    bool
	starved bool // it was the floor that ended it
}

// newWatch returns a watch that is off. end runs on a goroutine of its own,
// at most once, and never after close.
func newWatch(limit time.Duration, end func()) *watch {
	w := &watch{limit: limit, end: end}
	w.timer = time.AfterFunc(limit, w.fire)
	w.timer.Stop()
	return w
}

// atLeast has the watch call end, too, if fewer bytes pass in any span.
func (w *watch) atLeast(bytes int64, span time.Duration) {
	f := &floor{least: bytes, span: span, end: w.starve}
	w.floor = f
	f.timer = time.AfterFunc(time.Hour, f.look)
	f.timer.Reset(span) // it is there when look wants it
}

func (w *watch) on()  { w.timer.Reset(w.limit) }
func (w *watch) off() { w.timer.Stop() }

// passed counts bytes.
func (w *watch) passed(n int) {
	if w.floor != nil {
		w.floor.bytes.Add(int64(n))
	}
}

func (w *watch) fire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.over {
		w.over = true
		w.end()
	}
}

func (w *watch) starve() {
	w.mu.Lock()
	w.starved = !w.over
	w.mu.Unlock()
	w.fire()
}

// fired reports whether the watch has called end, and slow whether it has done
// so because of too few bytes.
func (w *watch) fired() (over, slow bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.over, w.starved
}

// close turns the watch off for good, and reports whether it has called end.
func (w *watch) close() (fired bool) {
	w.timer.Stop()
	if w.floor != nil {
		w.floor.timer.Stop()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	fired, w.over = w.over, true
	return fired
}

// A floor counts what passes in one span after the other. An average over all
// of them would let whoever took much at once take nothing for hours.
type floor struct {
	least int64
	span  time.Duration
	end   func()
	timer *time.Timer
	bytes atomic.Int64 // in this span
}

func (f *floor) look() {
	if f.bytes.Swap(0) < f.least {
		f.end()
		return
	}
	f.timer.Reset(f.span)
}
