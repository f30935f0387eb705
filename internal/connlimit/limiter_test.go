package connlimit

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

var enterTests = []struct {
	name   string
	limits Limits
	from   string // addresses that connect and stay, in order
	want   string // what each is told
}{
	{"no limits", Limits{}, "10.0.0.1 10.0.0.1 ::1", "ok ok ok"},
	{"all together", Limits{Connections: 2}, "10.0.0.1 10.1.0.1 10.2.0.1", "ok ok total"},
	{"a network of IPv4", Limits{PerNetwork: 2}, "10.0.0.1 10.0.0.2 10.0.0.3 10.0.1.3", "ok ok per_network ok"},
	{"IPv4 in IPv6", Limits{PerNetwork: 2}, "10.0.0.1 ::ffff:10.0.0.2 ::ffff:10.0.0.3", "ok ok per_network"},
	{"a network of IPv6", Limits{PerNetwork: 1}, "2001:db8::1 2001:db8::2 2001:db8:0:1::1", "ok per_network ok"},
	{"many networks of one customer", Limits{PerNetwork: 1}, "2001:db8::1 2001:db8:0:1::1 2001:db8:0:2::1 2001:db8:1::1", "ok ok per_network ok"},
	{"a customer leaves some to others", Limits{Connections: 4, PerNetwork: 2}, "2001:db8::1 2001:db8::1 2001:db8:0:1::1 2001:db8:0:2::1 2001:db8:1::1", "ok ok ok per_network ok"},
	{"a zone is no other network", Limits{PerNetwork: 1}, "fe80::1%eth0 fe80::1%eth1", "ok per_network"},
	{"a balancer", Limits{PerNetwork: 1, Exempt: []netip.Prefix{netip.MustParsePrefix("10.0.0.8/32")}},
		"10.0.0.8 10.0.0.8 ::ffff:10.0.0.8 10.0.0.9 10.0.0.9", "ok ok ok ok per_network"},
	{"a balancer counts for all together", Limits{Connections: 1, Exempt: []netip.Prefix{netip.MustParsePrefix("10.0.0.8/32")}},
		"10.0.0.8 10.0.0.8", "ok total"},
}

// TestRequestsLeave is what is no connection: it is told when refused, and
// leaves room.
func TestRequestsLeave(t *testing.T) {
	told := ""
	l := New(Limits{Connections: 1}, Deps{Refused: func(reason string) { told += reason }})
	from := netip.MustParseAddr("10.0.0.1")
	for range 3 {
		leave, reason := l.Enter(from)
		if reason != "" {
			t.Fatalf("the only one is refused: %s", reason)
		}
		if _, reason := l.Enter(from); reason != Total {
			t.Errorf("the second one: %q, want %s", reason, Total)
		}
		leave()
	}
	if told != Total+Total+Total || l.Open() != 0 {
		t.Errorf("told %q, %d left", told, l.Open())
	}
}

func TestEnter(t *testing.T) {
	for _, tt := range enterTests {
		t.Run(tt.name, func(t *testing.T) {
			l := New(tt.limits, Deps{})
			var got []string
			for _, from := range strings.Fields(tt.from) {
				_, reason := l.enter(netip.MustParseAddr(from))
				if reason == "" {
					reason = "ok"
				}
				got = append(got, reason)
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("%s: %s, want %s", tt.from, s, tt.want)
			}
		})
	}
}

// TestCountsAgainstModel has random connections come and go, and compares with
// a count made anew each time.
func TestCountsAgainstModel(t *testing.T) {
	const total, each = 40, 8
	rng := rand.New(rand.NewPCG(1, 2))
	l := New(Limits{Connections: total, PerNetwork: each}, Deps{})
	type open struct {
		network byte
		all     crowds
	}
	var model []open
	for range 20_000 {
		if len(model) > 0 && rng.IntN(100) < 47 {
			i := rng.IntN(len(model))
			l.leave(model[i].all)
			model[i] = model[len(model)-1]
			model = model[:len(model)-1]
			continue
		}
		network, same := byte(rng.IntN(10)), 0
		for _, o := range model {
			if o.network == network {
				same++
			}
		}
		want := ""
		switch {
		case len(model) == total:
			want = Total
		case same == each:
			want = PerNetwork
		}
		all, reason := l.enter(netip.AddrFrom4([4]byte{10, 0, network, byte(rng.IntN(256))}))
		if reason != want {
			t.Fatalf("with %d connections, %d of them of this network: %q, want %q", len(model), same, reason, want)
		}
		if reason == "" {
			model = append(model, open{network, all})
		}
		if l.Open() != len(model) {
			t.Fatalf("%d are open, want %d", l.Open(), len(model))
		}
	}
	for _, o := range model {
		l.leave(o.all)
	}
	if l.Open() != 0 || len(l.crowds) != 0 {
		t.Errorf("when all have gone, %d are open and %d networks known", l.Open(), len(l.crowds))
	}
}

// TestRefusalsAreTold has a flood come for a while, and counts the lines.
func TestRefusalsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, lines := observer.New(zap.WarnLevel)
		counted := 0
		r := newRefusals(Deps{Log: zap.New(core), Refused: func(string) { counted++ }})
		for range 5000 {
			r.add(PerNetwork, netip.MustParseAddr("::ffff:192.0.2.7"))
			time.Sleep(5 * time.Millisecond) // 25 s in all
		}
		time.Sleep(3 * window) // the last window ends, and an empty one tells nothing
		r.add(Total, netip.Addr{})
		told := int64(0)
		for _, line := range lines.All() {
			told += line.ContextMap()["count"].(int64)
		}
		if counted != 5001 || told != 5001 {
			t.Errorf("5001 refusals: %d counted, %d told", counted, told)
		}
		if n := lines.Len(); n != 5 { // at once, after 10, 20 and 30 s, and the other reason
			t.Errorf("%d lines, want 5: %v", n, lines.All())
		}
		if client := lines.All()[0].ContextMap()["client"]; client != "192.0.2.7" {
			t.Errorf("refused was %v, want 192.0.2.7", client)
		}
		time.Sleep(2 * window) // the timer ends with the bubble
	})
}

// TestEachRefusalIsTheirs: a line names somebody who was refused for its reason.
func TestEachRefusalIsTheirs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, lines := observer.New(zap.WarnLevel)
		r := newRefusals(Deps{Log: zap.New(core)})
		who := map[string]string{PerNetwork: "192.0.2.7", Total: "192.0.2.8", "untrusted": "192.0.2.9"}
		for range 2 {
			for reason, from := range who {
				r.add(reason, netip.MustParseAddr(from))
			}
		}
		time.Sleep(2 * window) // the timer ends with the bubble
		for _, line := range lines.All() {
			if m := line.ContextMap(); m["client"] != who[m["reason"].(string)] {
				t.Errorf("%v was refused for %v", m["client"], m["reason"])
			}
		}
		if lines.Len() != 4 { // the first at once, and one for each
			t.Errorf("%d lines: %v", lines.Len(), lines.All())
		}
	})
}

// TestNothingIsToldAfterTheEnd, when the log is closed: what was not told yet is
// told before.
func TestNothingIsToldAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, lines := observer.New(zap.WarnLevel)
		l := New(Limits{Connections: 1}, Deps{Log: zap.New(core)})
		for range 4 {
			_, _ = l.Enter(netip.MustParseAddr("192.0.2.7"))
		}
		l.Close()
		if n := lines.Len(); n != 2 || lines.All()[1].ContextMap()["count"] != int64(2) {
			t.Errorf("%v is told, want that one was refused, and then that two were", lines.All())
		}
		_, _ = l.Enter(netip.MustParseAddr("192.0.2.7"))
		time.Sleep(2 * window)
		if n := lines.Len(); n != 2 {
			t.Errorf("%d lines, two of them before the end", n)
		}
	})
}
