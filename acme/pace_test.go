package acme

import (
	"crypto/x509"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// What a CA has not looked at does not count there, and so not here.
func TestPaceCountsWhatTheCACounts(t *testing.T) {
	counts := map[Reason]bool{ReasonDNS: true, ReasonUnreachable: true, ReasonRefused: true, ReasonCAA: true, ReasonRateLimited: true}
	for _, why := range Reasons() {
		p := newPace(time.Hour, 0)
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

// A CA whose renewal info is wrong for ever is asked a few times a day.
func TestPaceOfCertificatesThatAreDueAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name    string
		regular time.Duration // what is seen of each certificate
		due     time.Duration // after which it really is renewed
		orders  [2]int        // in the first 100 s, and in a day
	}{
		{"as they should be", 60 * 24 * time.Hour, 60 * 24 * time.Hour, [2]int{0, 0}},
		{"of a test", 27 * time.Second, 27 * time.Second, [2]int{3, 2880}},
		{"renewal info in the past", 60 * 24 * time.Hour, 0, [2]int{1, 11}},
		{"of a second", time.Second / 3, 0, [2]int{1, 11}},
		{"of an hour, and in the past", 40 * time.Minute, 0, [2]int{1, 112}},
		{"of a test, and in the past", 40 * time.Second, 0, [2]int{10, 8640}}, // or it would expire
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, orders, told := newPace(publicPause, againPause), [2]int{}, 0
				p.got("a", tt.regular)
				obtained := time.Now()
				for begun := time.Now(); time.Since(begun) < 24*time.Hour; time.Sleep(10 * time.Second) {
					if time.Since(obtained) < tt.due {
						continue
					}
					news, err := p.due("a")
					if news {
						told++
					}
					if err != nil {
						continue
					}
					p.got("a", tt.regular)
					obtained = time.Now()
					orders[1]++
					if time.Since(begun) < 100*time.Second {
						orders[0]++
					}
				}
				if orders[0] != tt.orders[0] || orders[1] > tt.orders[1] || orders[1] < tt.orders[1]*8/10 {
					t.Errorf("%d orders in 100 s and %d in a day, want %v", orders[0], orders[1], tt.orders)
				}
				if want := tt.due < tt.regular && tt.orders[0] == 1; told > 1 || (told == 1) != want {
					t.Errorf("told %d times", told)
				}
			})
		})
	}
}

func TestPauseAfterRenewalsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(publicPause, againPause)
		again := func() error { _, err := p.due("a"); return err }
		for range 3 {
			p.got("a", time.Hour)
		}
		if err := again(); !errors.Is(err, errDueAgain) {
			t.Errorf("after two in a moment: %v", err)
		}
		if _, err := p.due("b"); err != nil {
			t.Errorf("another host: %v", err)
		}
		time.Sleep(2 * againPause)
		if err := again(); err != nil {
			t.Errorf("after the pause: %v", err)
		}
		p.got("a", time.Hour)
		p.reset()
		if err := again(); err != nil {
			t.Errorf("after a reload: %v", err)
		}
		p.got("a", time.Hour)
		time.Sleep(time.Hour)
		p.got("a", time.Hour)
		if err := again(); err != nil {
			t.Errorf("after one that was due: %v", err)
		}
	})
}

func TestRegular(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		from, to time.Duration // from now
		ratio    float64
		want     time.Duration
	}{
		{0, 90 * time.Hour, 1.0 / 3, 60 * time.Hour},
		{0, 90 * time.Hour, 0.5, 45 * time.Hour},
		{-time.Hour, 3 * time.Hour, 0.5, time.Hour},
		{-time.Minute, 30 * time.Second, 1.0 / 3, 10 * time.Second}, // due at once
	} {
		leaf := &x509.Certificate{NotBefore: now.Add(tt.from), NotAfter: now.Add(tt.to)}
		if got := (&policy{ratio: tt.ratio}).regular(leaf, now); got.Round(time.Second) != tt.want {
			t.Errorf("regular(%s, %s) = %s, want %s", tt.from, tt.to, got, tt.want)
		}
	}
}

func TestPauseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(publicPause, 0)
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
