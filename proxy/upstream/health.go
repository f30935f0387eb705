package upstream

import (
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// vitals are what is known of a server. They outlive a reload: the next
// generation of the same address goes on with them.
type vitals struct {
	busy    atomic.Int64 // requests that were picked for it and are not done
	release func()       // counts one out

	// uneasy is true while anything below is not as it is in a server that
	// does well, so that requests to such a one need no lock.
	uneasy atomic.Bool
	down   atomic.Bool

	mu       sync.Mutex // guards what follows, and changes of the above
	failures int        // requests in a row that got no answer
	breaks   int        // answers in a row that broke off
	bad      int        // probes in a row that failed
	good     int        // probes in a row that did not, while it is down
	trial    time.Time  // when a request may try it, while it is down
}

func newVitals() *vitals {
	v := new(vitals)
	v.release = func() { v.busy.Add(-1) }
	return v
}

// A verdict is what has changed for a server.
type verdict int

const (
	asBefore verdict = iota
	wentDown
	cameUp
)

// failed counts a request that got no answer.
func (v *vitals) failed(h Health) verdict {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.failures++
	return v.worse(h)
}

// brokeOff counts an answer that broke off.
func (v *vitals) brokeOff(h Health) verdict {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.breaks++
	return v.worse(h)
}

// worse looks at what has been counted. Whoever calls it has the lock.
func (v *vitals) worse(h Health) verdict {
	v.uneasy.Store(true)
	v.good = 0
	if v.failures < h.MaxFailures && v.breaks < h.MaxFailures {
		return asBefore
	}
	return v.sink(h)
}

// worked notes a request that was answered: a server that answers is up,
// whatever probes have found. Whether its answer is complete, finished says.
func (v *vitals) worked() verdict {
	if !v.uneasy.Load() {
		return asBefore
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.failures = 0
	if v.breaks > 0 && !v.down.Load() {
		return asBefore
	}
	return v.rise()
}

// finished notes an answer that was complete.
func (v *vitals) finished() {
	if v.uneasy.Load() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.breaks = 0
	}
}

// probed counts a probe.
func (v *vitals) probed(h Health, ok bool) verdict {
	if ok && !v.uneasy.Load() {
		return asBefore
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if !ok {
		v.uneasy.Store(true)
		v.bad++
		v.good = 0
		if v.bad < h.Unhealthy {
			return asBefore
		}
		return v.sink(h)
	}
	v.bad = 0
	if v.good++; v.down.Load() && v.good < h.Healthy {
		return asBefore
	}
	if !v.down.Load() {
		return asBefore // failures of requests are not forgotten for a probe
	}
	return v.rise()
}

// sink marks it down. Whoever calls it has the lock.
func (v *vitals) sink(h Health) verdict {
	if v.down.Swap(true) {
		return asBefore // and to be tried when it was, should probes fail for a reason of their own
	}
	v.trial = time.Now().Add(h.pause())
	return wentDown
}

// rise marks it up. Whoever calls it has the lock.
func (v *vitals) rise() verdict {
	v.failures, v.breaks, v.bad, v.good = 0, 0, 0, 0
	v.uneasy.Store(false)
	if v.down.Swap(false) {
		return cameUp
	}
	return asBefore
}

// try reports whether a request may try a server that is down, and gives out
// one such request in a pause.
func (v *vitals) try(h Health, now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if now.Before(v.trial) {
		return false
	}
	v.trial = now.Add(h.pause())
	return true
}

// tell logs what has changed, once.
func (e *Endpoint) tell(v verdict, why error) {
	switch v {
	case wentDown:
		e.log.Warn("upstream is down", zap.String("upstream", e.Name), zap.Error(why))
	case cameUp:
		e.log.Info("upstream is up", zap.String("upstream", e.Name))
	}
}
