package h2guard

import "time"

// Frames that lead to nothing are paid from a purse, which fills with time and
// with requests. Clients that mean well need a small part of it.
const (
	full     = 2000 // a frame costs 1, but for a reset
	each     = 100  // in a second
	request  = 2    // for one: some clients send a PRIORITY or a PING with each
	resetPay = 3    // of either side: the work for the request is done for nothing

	// A client that takes what we send updates two windows for it now and then.
	updateBytes = 256

	// A header in smaller pieces than that is no header but a flood.
	continuationBytes = 1024

	// Data of that size is not all padding, of which there are 255 bytes at
	// most (RFC 9113 6.1).
	dataBytes = 512

	// A body in pieces below tinyBytes is work for nothing as well; clients
	// have one now and then, between pieces that are no smaller than bulkBytes.
	tinyBytes = 64
	bulkBytes = 4096
)

// A purse is what one connection may still send. The zero purse is full.
type purse struct {
	spent   int
	since   time.Time // when spent was last right
	updates int64     // of windows
	resets  int64     // by the server
}

// pay reports whether the frame could be paid. Time is looked at when the
// purse is empty, so it may have been filled twice by then.
func (p *purse) pay(f frame, s *sent) bool {
	cost := p.cost(f, s)
	if cost <= 0 {
		p.spent = max(0, p.spent+cost)
		return true
	}
	if p.spent == 0 {
		p.since = time.Now()
	}
	if p.spent+cost > full {
		p.refill(time.Now())
	}
	p.spent += cost
	return p.spent <= full
}

// refill gives back what time has brought.
func (p *purse) refill(now time.Time) {
	p.spent = max(0, p.spent-int(now.Sub(p.since).Seconds()*each))
	p.since = now
}

// cost is negative for what fills the purse. The server's resets are paid with
// whatever comes next: frames of streams that are over bring them, too.
func (p *purse) cost(f frame, s *sent) int {
	resets := s.resets.Load()
	last := resets - p.resets
	p.resets = resets
	return int(last)*resetPay + p.price(f, s)
}

// price is the cost of the frame itself.
func (p *purse) price(f frame, s *sent) int {
	switch f.kind {
	case headers:
		return -request
	case data:
		return dataPrice(f)
	case continuation:
		if f.length >= continuationBytes || f.has(endHeaders) {
			return 0
		}
	case windowUpdate:
		if p.updates++; p.updates <= s.bytes.Load()/updateBytes {
			return 0
		}
	case rstStream:
		return resetPay
	}
	return 1
}

func dataPrice(f frame) int {
	switch {
	case f.has(endStream):
		return 0
	case f.length < tinyBytes, f.has(padded) && f.length < dataBytes:
		return 1
	case f.length >= bulkBytes:
		return -1
	}
	return 0
}
