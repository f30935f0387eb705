package password

import (
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"
)

// How long after a failure no helper is started.
const (
	shortPause = 100 * time.Millisecond
	longPause  = time.Minute
)

// A crew has the helpers of a Pool. It starts one when there is none to do a
// comparison, so that there are no more than comparisons at the same time.
// Where that is not to be, the gate compares by itself, as well as it can.
type crew struct {
	log   *zap.Logger
	start func() (*process, error)
	limit func(question) time.Duration // how long an answer may take

	mu     sync.Mutex // guards all below
	idle   []*process // the one used last at the end
	all    map[*process]bool
	pause  time.Duration // 0 if the last one did what it should
	next   time.Time     // none is started before
	closed bool
}

func newCrew(log *zap.Logger) *crew {
	return &crew{log: log, start: startHelper, limit: longest, all: make(map[*process]bool)}
}

// compare answers q. A helper that dies of it, or says nothing, leaves it open:
// the same question may be the reason, and is not asked again here.
func (c *crew) compare(q question) error {
	h := c.take()
	if h == nil {
		return q.answer().verdict()
	}
	word, err := h.compare(q, c.limit(q))
	if err != nil {
		h.end()
		c.failed(fmt.Errorf("a helper is lost: %w, %v", err, h.cmd.ProcessState))
		c.forget(h)
		return fmt.Errorf("compare a password: %w", err)
	}
	c.give(h)
	return word.verdict()
}

// take returns a helper, or nil if there can be none now.
func (c *crew) take() *process {
	h, start := c.waiting()
	if h != nil || !start {
		return h
	}
	h, err := c.start()
	if err != nil {
		c.failed(err)
		return nil
	}
	if !c.hire(h) {
		h.end()
		return nil
	}
	return h
}

// waiting returns a helper that has nothing to do, or whether to start one.
func (c *crew) waiting() (h *process, start bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.idle) > 0 {
		last := len(c.idle) - 1
		h, c.idle = c.idle[last], c.idle[:last]
		if h.alive() {
			return h, false
		}
		_ = h.hear.Close()
		delete(c.all, h)
	}
	return nil, !c.closed && !time.Now().Before(c.next)
}

// hire takes a new one in, unless it comes too late.
func (c *crew) hire(h *process) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.all[h] = true
	}
	return !c.closed
}

func (c *crew) forget(h *process) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.all, h)
}

// give puts a helper back that has done its work.
func (c *crew) give(h *process) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = append(c.idle, h)
	if c.pause > 0 {
		c.pause = 0
		c.log.Info("passwords are compared in processes of their own again")
	}
}

// failed has the next one wait, twice as long each time, and says so once.
func (c *crew) failed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	if c.pause == 0 {
		c.log.Warn("passwords are compared in the gate's own process for now, which may slow it down", zap.Error(err))
	}
	c.pause = min(max(2*c.pause, shortPause), longPause)
	c.next = time.Now().Add(c.pause)
}

// close ends all helpers. What they compare is not answered.
func (c *crew) close() {
	c.mu.Lock()
	c.closed = true
	all := c.all
	c.all, c.idle = nil, nil
	c.mu.Unlock()
	for h := range all {
		h.end()
	}
}
