package h2guard

import (
	"testing"
	"testing/synctest"
	"time"
)

var (
	aPing    = frame{kind: 0x6, length: 8}
	aRequest = frame{kind: headers, flags: endHeaders | endStream, length: 30}
	aReset   = frame{kind: rstStream, length: 4}
	anUpdate = frame{kind: windowUpdate, length: 4}
)

var costTests = []struct {
	name string
	f    frame
	want int
}{
	{"ping", aPing, 1},
	{"request", aRequest, -request},
	{"reset", aReset, resetPay},
	{"data", frame{kind: data, length: tinyBytes}, 0},
	{"much data", frame{kind: data, length: bulkBytes}, -1},
	{"a byte of data", frame{kind: data, length: 1}, 1},
	{"empty data", frame{kind: data}, 1},
	{"the end of data", frame{kind: data, flags: endStream}, 0},
	{"padding", frame{kind: data, flags: padded, length: 256}, 1},
	{"padded data", frame{kind: data, flags: padded, length: dataBytes}, 0},
	{"a large part of a header", frame{kind: continuation, length: continuationBytes}, 0},
	{"a small part of a header", frame{kind: continuation, length: 10}, 1},
	{"the last part of a header", frame{kind: continuation, flags: endHeaders}, 0},
	{"a window for nothing", anUpdate, 1},
	{"what nobody knows", frame{kind: 0xbe}, 1},
}

func TestCost(t *testing.T) {
	for _, tt := range costTests {
		if got := new(purse).cost(tt.f, new(sent)); got != tt.want {
			t.Errorf("%s costs %d, want %d", tt.name, got, tt.want)
		}
	}
}

// paid counts how many frames can be paid, up to most.
func paid(p *purse, f frame, most int, s *sent) (n int) {
	for n < most && p.pay(f, s) {
		n++
	}
	return n
}

func TestPurseFillsWithTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p purse
		if n := paid(&p, aPing, 3*full, new(sent)); n != full {
			t.Errorf("a full purse pays for %d pings, want %d", n, full)
		}
		p.spent = full
		time.Sleep(3 * time.Second)
		if n := paid(&p, aPing, full, new(sent)); n != 3*each {
			t.Errorf("three seconds pay for %d pings, want %d", n, 3*each)
		}
		p.spent = full
		time.Sleep(time.Hour)
		if n := paid(&p, aPing, 3*full, new(sent)); n > 2*full {
			t.Errorf("an hour pays for %d pings, want %d at most", n, 2*full)
		}
	})
}

func TestPurseFillsWithWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // in which no time passes
		var p purse
		for i := range 10 * full {
			if !p.pay(aRequest, new(sent)) || !p.pay(aPing, new(sent)) {
				t.Fatalf("request %d with a ping is too much", i)
			}
		}
		s := new(sent)
		s.bytes.Store(100 * full * updateBytes)
		if n := paid(&p, anUpdate, 200*full, s); n < 100*full || n > 102*full {
			t.Errorf("%d updates for what was sent, want %d", n, 100*full)
		}
	})
}

// TestResetsOfBothSides: it does not matter who takes a request back.
func TestResetsOfBothSides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p purse
		s, n := new(sent), 0
		for n < 10*full && p.pay(aRequest, s) && p.pay(aPing, s) {
			s.resets.Add(1)
			n++
		}
		if n < full/4 || n > full {
			t.Errorf("the server took %d requests back before it was too much", n)
		}
	})
}
