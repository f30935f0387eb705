package acme

import (
	"errors"
	"slices"
	"sync"
	"time"
)

// A pace keeps hosts from being refused for too many attempts, which would hide
// what is really wrong. Let's Encrypt lets a host fail five times, and once more
// every twelve minutes; an attempt may fail twice, by each kind of challenge.
// certmagic would try four times in the first five minutes.
type pace struct {
	pause time.Duration // after the second attempt in a row that failed

	mu     sync.Mutex
	failed map[string]streak // by host
}

// A streak is how often a host has failed, and when it did last.
type streak struct {
	times int
	last  time.Time
}

const publicPause = 25 * time.Minute

var errTooSoon = errors.New("the CA is not asked again so soon after two failed attempts")

// counted are the reasons that come up after a CA has begun to look, or because
// it has been asked too often.
var counted = []Reason{ReasonDNS, ReasonUnreachable, ReasonRefused, ReasonCAA, ReasonRateLimited}

func newPace(pause time.Duration) *pace {
	return &pace{pause: pause, failed: map[string]streak{}}
}

// miss notes that an attempt for host failed.
func (p *pace) miss(host string, why Reason) {
	if !slices.Contains(counted, why) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed[host] = streak{p.failed[host].times + 1, time.Now()}
}

// allow says whether the CA may be asked for host now.
func (p *pace) allow(host string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.failed[host]; s.times >= 2 && time.Since(s.last) < p.pause {
		return errTooSoon
	}
	return nil
}

// forget is for a host that has got its certificate.
func (p *pace) forget(host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.failed, host)
}

// reset is for another plan, and for somebody who has mended something.
func (p *pace) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.failed)
}
