package guard

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/regate/regate/internal/state"
)

var (
	errWrong = errors.New("wrong password")
	errDown  = errors.New("directory is down")
)

// counting is the Limiter of a state that may be down.
type counting struct {
	state.Buckets
	now  func() time.Time
	down atomic.Bool
}

func (c *counting) Allow(ctx context.Context, name string, l state.Limit, cost int) (time.Duration, error) {
	switch {
	case c.down.Load():
		return 0, errDown
	case ctx.Err() != nil:
		return 0, ctx.Err()
	}
	return c.Take(name, l, cost, c.now()), nil
}

// A rig is a Guard whose clock the test has.
type rig struct {
	*Guard
	limiter *counting
	time    atomic.Int64
	checked atomic.Int64
	refused atomic.Int64
}

func newRig(t *testing.T, cfg Config) *rig {
	t.Helper()
	r := &rig{}
	r.time.Store(time.Unix(1_700_000_000, 0).UnixNano())
	now := func() time.Time { return time.Unix(0, r.time.Load()) }
	r.limiter = &counting{now: now}
	var err error
	r.Guard, err = New(cfg, Deps{
		Limiter: r.limiter, Now: now,
		Wrong:   func(err error) bool { return errors.Is(err, errWrong) },
		Refused: func(string) { r.refused.Add(1) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) pass(d time.Duration) { r.time.Add(int64(d)) }

// try shows a password, of which "right" is right and "down" cannot be checked.
func (r *rig) try(from, account, password string) error {
	addr, _ := netip.ParseAddr(from)
	return r.Try(context.Background(), Try{addr, account, password}, func(context.Context) error {
		r.checked.Add(1)
		switch password {
		case "right":
			return nil
		case "down":
			return errDown
		}
		return errWrong
	})
}

func limitedBy(err error) string {
	var l *Limited
	if errors.As(err, &l) {
		return l.By
	}
	return fmt.Sprint(err)
}

func TestGuessesAreLimited(t *testing.T) {
	r := newRig(t, Config{})
	for i := range 10 {
		if err := r.try("192.0.2.1", "dev", fmt.Sprint(i)); err != errWrong {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	for name, tt := range map[string]struct{ from, account, password, want string }{
		"another guess":                     {"192.0.2.1", "dev", "next", "account"},
		"a neighbour":                       {"192.0.2.200", "dev", "next", "account"},
		"the name in another spelling":      {"192.0.2.1", "DEV ", "next", "account"},
		"whoever has it right by now":       {"192.0.2.1", "dev", "right", "account"},
		"another network":                   {"198.51.100.1", "dev", "next", "wrong password"},
		"another account":                   {"192.0.2.1", "eve", "next", "wrong password"},
		"a wrong one that is known":         {"192.0.2.1", "dev", "3", "wrong password"},
		"the owner, from another network":   {"198.51.100.1", "dev", "right", "<nil>"},
		"an IPv4 address as one of IPv6":    {"::ffff:192.0.2.1", "dev", "next", "account"},
		"whoever comes from an odd nowhere": {"", "dev", "next", "wrong password"},
	} {
		if got := limitedBy(r.try(tt.from, tt.account, tt.password)); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
	var l *Limited
	if err := r.try("192.0.2.1", "dev", "more"); !errors.As(err, &l) || l.Wait != 30*time.Second {
		t.Errorf("the wait is %v, want 30s", err)
	}
	r.pass(30 * time.Second)
	if err := r.try("192.0.2.1", "dev", "right"); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	if err := r.try("192.0.2.1", "dev", "right"); err != nil {
		t.Errorf("a right password has taken the place of a wrong one: %v", err)
	}
}

func TestGuessesOfNamesAreLimited(t *testing.T) {
	for from, neighbour := range map[string]string{"192.0.2.1": "192.0.2.9", "2001:db8:1:2::1": "2001:db8:1:ffff::1"} {
		r := newRig(t, Config{})
		for i := range 100 {
			if err := r.try(from, fmt.Sprint("user", i), "x"); err != errWrong {
				t.Fatalf("guess %d: %v", i, err)
			}
		}
		if got := limitedBy(r.try(neighbour, "another", "x")); got != "network" {
			t.Errorf("from %s: %s, want a limit of the network", neighbour, got)
		}
		if got := limitedBy(r.try("203.0.113.1", "another", "x")); got != "wrong password" {
			t.Errorf("from another network: %s", got)
		}
		// What was refused by the network has taken nothing from the account.
		r.pass(time.Hour)
		for i := range 10 {
			if err := r.try(neighbour, "another", fmt.Sprint(i)); err != errWrong {
				t.Fatalf("guess %d of another: %v", i, err)
			}
		}
	}
}

// A directory takes all of these for one account (RFC 4518, and Active Directory
// for the marks), so that they are one here.
func TestSpellingsAreOneAccount(t *testing.T) {
	r := newRig(t, Config{Account: Rate{Burst: 1}})
	if err := r.try("192.0.2.1", "alice smith", "first"); err != errWrong {
		t.Fatal(err)
	}
	for _, name := range []string{
		"ALICE SMITH", " alice smith ", "alice   smith", "alice\u00a0smith", "alice\u3000smith", // case and blanks
		"ali\u00adce smith", "ali\u200bce smith", "ali\ufffcce smith", "ali\ufe0fce smith", "ali\u1806ce smith", // mapped to nothing
		"ａｌｉｃｅ smith", "alice ſmith", "ⓐlice smith", "aliℂe smith", "alıce smith", // NFKC, and cases of a case
		"álice smith", "a\u0301lice smith", "alicé smith", // marks
	} {
		if got := limitedBy(r.try("192.0.2.1", name, "another")); got != "account" {
			t.Errorf("%q: %s, want the limit of the account", name, got)
		}
	}
	for _, name := range []string{"alice-smith", "alice.smith", "alic smith", "", "爱丽丝", "艾丽丝"} {
		if got := limitedBy(r.try("192.0.2.1", name, "another")); got != "wrong password" {
			t.Errorf("%q: %s, want that it is another account", name, got)
		}
	}
}

// A thousand guesses at once are no more than the burst: each takes its place
// before it is checked.
func TestGuessesAtOnce(t *testing.T) {
	r := newRig(t, Config{})
	if err := r.try("192.0.2.1", "dev", "right"); err != nil {
		t.Fatal(err)
	}
	r.checked.Store(0)
	var all sync.WaitGroup
	for i := range 1000 {
		all.Go(func() { _ = r.try("192.0.2.1", "dev", fmt.Sprint("guess", i)) })
	}
	all.Wait()
	if n := r.checked.Load(); n != 10 {
		t.Errorf("%d of 1000 guesses at once were checked, want 10", n)
	}
	if n := r.refused.Load(); n != 990 {
		t.Errorf("%d were counted as refused", n)
	}
}

// docker's clients try POST and then GET with what they have.
func TestSameWrongPasswordCountsOnce(t *testing.T) {
	r := newRig(t, Config{})
	for range 100 {
		if err := r.try("192.0.2.1", "dev", "old password"); err != errWrong {
			t.Fatal(err)
		}
	}
	if n := r.checked.Load(); n != 1 {
		t.Errorf("it was checked %d times", n)
	}
	for i := range 9 {
		if err := r.try("192.0.2.1", "dev", fmt.Sprint(i)); err != errWrong {
			t.Errorf("another one, %d: %v", i, err)
		}
	}
	r.pass(11 * time.Second)
	if got := limitedBy(r.try("192.0.2.1", "dev", "old password")); got != "account" {
		t.Errorf("after ten seconds it is %s, want a try of its own", got)
	}
}

func TestWhatCannotBeCheckedCountsNothing(t *testing.T) {
	r := newRig(t, Config{})
	for range 50 {
		if err := r.try("192.0.2.1", "dev", "down"); err != errDown {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 {
		if err := r.Try(ctx, Try{Account: "dev"}, func(context.Context) error { return errWrong }); err == nil {
			t.Fatal("a try that nobody waits for is good")
		}
	}
	if n := r.refused.Load(); n != 0 {
		t.Errorf("%d were refused", n)
	}
}

// Giving back more than was taken would be a way to more guesses.
func TestWhoeverLeavesGainsNothing(t *testing.T) {
	r := newRig(t, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	from := netip.MustParseAddr("192.0.2.1")
	for i := range 30 {
		_ = r.Try(ctx, Try{from, "dev", fmt.Sprint("left", i)}, func(context.Context) error { return nil })
		_ = r.try("192.0.2.1", "dev", fmt.Sprint(i))
	}
	if n := r.checked.Load(); n > 10 {
		t.Errorf("%d guesses were checked, want 10 at most", n)
	}
}

// While the state is away, there may be other gates that count as this one.
func TestStateThatIsAway(t *testing.T) {
	r := newRig(t, Config{})
	r.limiter.down.Store(true)
	for i := range 20 {
		_ = r.try("192.0.2.1", "dev", fmt.Sprint(i))
	}
	if n := r.checked.Load(); n != 5 {
		t.Errorf("%d of 20 guesses were checked, want 5", n)
	}
	r.limiter.down.Store(false)
	if err := r.try("192.0.2.1", "dev", "right"); err != nil {
		t.Errorf("when it is back: %v", err)
	}
}

// Whoever leaves while their right password is checked has taken nothing.
func TestTryIsGivenBackToWhoeverLeaves(t *testing.T) {
	r := newRig(t, Config{})
	from := netip.MustParseAddr("192.0.2.1")
	for i := range 30 {
		ctx, leave := context.WithCancel(t.Context())
		err := r.Try(ctx, Try{from, "dev", "right"}, func(context.Context) error { leave(); return nil })
		if err != nil {
			t.Fatalf("login %d: %v", i, err)
		}
	}
}

func TestExempt(t *testing.T) {
	r := newRig(t, Config{Exempt: []string{"::ffff:192.0.2.0/120", "2001:db8::1"}})
	for i := range 50 {
		if a, b := r.try("192.0.2.1", "dev", fmt.Sprint(i)), r.try("2001:db8::1", "dev", fmt.Sprint(i)); a != errWrong || b != errWrong {
			t.Fatalf("%v, %v", a, b)
		}
		if c := r.try("::ffff:192.0.2.1", "dev", fmt.Sprint(i)); c != errWrong {
			t.Fatalf("as one of IPv6: %v", c)
		}
		_ = r.try("2001:db8::2", "dev", fmt.Sprint(i))
	}
	if n := r.refused.Load(); n != 40 {
		t.Errorf("%d of a neighbour's 50 were refused, want 40", n)
	}
}

var configTests = []struct {
	name string
	cfg  Config
	want string
}{
	{"nothing said", Config{}, ""},
	{"all said", Config{Account: Rate{1, time.Millisecond}, Network: Rate{1_000_000, 24 * time.Hour}, Exempt: []string{"10.0.0.0/8", "::1"}}, ""},
	{"all wrong", Config{Account: Rate{-1, time.Microsecond}, Network: Rate{2_000_000, 48 * time.Hour}, Exempt: []string{"x", "10.0.0.0/33"}},
		"account.burst: -1 is not between 1 and 1000000\naccount.every: 1µs is not between 1ms and 24h0m0s\n" +
			"network.burst: 2000000 is not between 1 and 1000000\nnetwork.every: 48h0m0s is not between 1ms and 24h0m0s\n" +
			"exempt[0]: \"x\" is no address, and no network such as 10.0.0.0/8\nexempt[1]: \"10.0.0.0/33\" is no address, and no network such as 10.0.0.0/8"},
}

func TestConfig(t *testing.T) {
	for _, tt := range configTests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := tt.cfg.Validate(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("Validate() =\n%s\nwant\n%s", got, tt.want)
			}
			if _, err := New(tt.cfg, Deps{}); (err == nil) != (tt.want == "") {
				t.Errorf("New() = %v", err)
			}
		})
	}
}

func BenchmarkTry(b *testing.B) {
	limiter := &counting{now: time.Now}
	g, err := New(Config{}, Deps{Limiter: limiter, Wrong: func(error) bool { return false }})
	if err != nil {
		b.Fatal(err)
	}
	t := Try{netip.MustParseAddr("192.0.2.1"), "dev", "right"}
	for b.Loop() {
		if err := g.Try(b.Context(), t, func(context.Context) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
