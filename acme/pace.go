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
//
// It also keeps certificates that are due as soon as they are there, as those of
// a CA whose clock or renewal info is wrong, from being renewed without end.
type pace struct {
	pause time.Duration // after the second attempt in a row that failed
	again time.Duration // after the first renewal that came too soon; 0 for none

	mu      sync.Mutex
	failed  map[string]streak  // by host
	renewed map[string]renewal // by host
}

// A streak is how often a host has failed, and when it did last.
type streak struct {
	times int
	last  time.Time
}

// A renewal is the last certificate that a host got.
type renewal struct {
	at      time.Time
	regular time.Duration // until it was to be renewed, as seen then
	pause   time.Duration // until it may be; 0 unless the one before was due too soon as well
	told    bool          // that there is a pause
}

const (
	publicPause  = 25 * time.Minute
	againPause   = 2 * time.Minute
	maxPause     = 6 * time.Hour
	leastRegular = 5 * time.Second // that makes sense
)

var errDueAgain = errors.New("certificates are due again as soon as they are there, so the CA is asked less often")

var errTooSoon = errors.New("the CA is not asked again so soon after two failed attempts")

// counted are the reasons that come up after a CA has begun to look, or because
// it has been asked too often.
var counted = []Reason{ReasonDNS, ReasonUnreachable, ReasonRefused, ReasonCAA, ReasonRateLimited}

func newPace(pause, again time.Duration) *pace {
	return &pace{pause: pause, again: again, failed: map[string]streak{}, renewed: map[string]renewal{}}
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

// got notes that host has a new certificate, which is to be renewed after
// regular. The pause doubles with each that is renewed much sooner than that.
func (p *pace) got(host string, regular time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last, known := p.renewed[host]
	next := renewal{at: time.Now(), regular: regular}
	if age := next.at.Sub(last.at); known && (age < last.regular/2 || last.regular < leastRegular) {
		next.pause = p.longer(last.pause, regular)
		next.told = last.told
	}
	p.renewed[host] = next
}

// longer is the pause after another one. It lets no certificate expire that can
// be used: certmagic, once refused, comes back a minute late and more.
func (p *pace) longer(last, regular time.Duration) time.Duration {
	pause := min(max(2*last, p.again), maxPause)
	switch {
	case regular < leastRegular:
		return pause // it cannot be used
	case regular < 2*p.again:
		return 0 // CAs of tests alone sign for so short a time
	}
	return min(pause, regular/3) // so that the next one is too soon as well
}

// due says whether host's certificate may be renewed now, and whether nobody
// has been told yet that it may not.
func (p *pace) due(host string) (news bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.renewed[host]
	if time.Since(r.at) >= r.pause {
		return false, nil
	}
	news, r.told = !r.told, true
	p.renewed[host] = r
	return news, errDueAgain
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
	clear(p.renewed)
}
