package acme

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// What a CA has not looked at does not count there, and so not here.
func TestPaceCountsWhatTheCACounts(t *testing.T) {
	counts := map[Reason]bool{ReasonDNS: true, ReasonUnreachable: true, ReasonRefused: true, ReasonCAA: true, ReasonRateLimited: true}
	for _, why := range Reasons() {
		p := newPace(time.Hour)
		p.miss("a", why)
		if err := p.allow("a"); err != nil {
			t.Errorf("after one failure (%s): %v", why, err)
		}
		p.miss("a", why)
		if got := errors.Is(p.allow("a"), errTooSoon); got != counts[why] {
			t.Errorf("after two failures (%s) it is to wait: %v, want %v", why, got, counts[why])
		}
		if err := p.allow("b"); err != nil {
			t.Errorf("after failures of another host: %v", err)
		}
	}
}

func TestPauseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(publicPause)
		for range 2 {
			p.miss("a", ReasonDNS)
		}
		for range 5 { // each further failure begins it anew
			time.Sleep(publicPause - time.Second)
			if err := p.allow("a"); !errors.Is(err, errTooSoon) {
				t.Errorf("a second too soon: %v", err)
			}
			time.Sleep(time.Second)
			if err := p.allow("a"); err != nil {
				t.Errorf("after the pause: %v", err)
			}
			p.miss("a", ReasonDNS)
		}
		p.forget("a")
		if err := p.allow("a"); err != nil {
			t.Errorf("after a certificate: %v", err)
		}
	})
}
