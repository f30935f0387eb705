package acl

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/regate/regate/internal/oci"
)

// A keeper is where rules are kept.
type keeper struct {
	rules atomic.Pointer[Config]
	err   atomic.Pointer[error]
	asked atomic.Int32
}

func (s *keeper) put(c Config)   { s.rules.Store(&c); s.err.Store(nil) }
func (s *keeper) fail(err error) { s.err.Store(&err) }

func (s *keeper) load(context.Context) (Config, error) {
	s.asked.Add(1)
	if err := s.err.Load(); err != nil {
		return nil, *err
	}
	return *s.rules.Load(), nil
}

func granting(actions ...string) Config {
	return Config{{Match: &Match{Account: ptr("alice")}, Actions: actions}}
}

// following runs a Follower of s in a bubble, and ends it with the test.
func following(t *testing.T, s *keeper, every time.Duration) (*Follower, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	f := Follow(s.load, every, zap.New(core))
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	go f.Run(ctx)
	synctest.Wait()
	return f, logs
}

func decided(t *testing.T, f *Follower, account string) (oci.Actions, bool) {
	t.Helper()
	granted, decided, err := f.Decide(t.Context(), asking(account, "a/b", nil))
	if err != nil {
		t.Fatalf("Decide(%s) = %v", account, err)
	}
	return granted, decided
}

func TestFollowerFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s keeper
		s.put(granting("pull"))
		f, logs := following(t, &s, time.Minute)
		if got, ok := decided(t, f, "alice"); got != oci.Pull || !ok {
			t.Errorf("Decide() = %q, %v", got, ok)
		}
		if got, ok := decided(t, f, "bob"); got != 0 || ok {
			t.Errorf("Decide() of somebody else = %q, %v", got, ok)
		}
		s.put(granting("push"))
		time.Sleep(time.Minute - time.Second)
		if got, _ := decided(t, f, "alice"); got != oci.Pull {
			t.Errorf("before its time: %q", got)
		}
		time.Sleep(2 * time.Second)
		if got, _ := decided(t, f, "alice"); got != oci.Push {
			t.Errorf("after the time: %q", got)
		}
		time.Sleep(10 * time.Minute) // of which nobody is told
		if n := logs.FilterMessage("rules read").Len(); n != 2 || logs.Len() != 2 {
			t.Errorf("logged %d times: %v", n, logs.All())
		}
	})
}

// TestLastGoodRulesStay: a source that is down, a rule that is wrong, and too
// many of them change nothing, and none of the new rules counts.
func TestLastGoodRulesStay(t *testing.T) {
	wrong := append(granting("push"), Rule{Match: &Match{Name: ptr("/(/")}, Actions: []string{}})
	for name, bad := range map[string]func(*keeper){
		"down":       func(s *keeper) { s.fail(errAway) },
		"wrong rule": func(s *keeper) { s.put(wrong) },
		"no match":   func(s *keeper) { s.put(append(granting("push"), Rule{Actions: []string{"pull"}})) },
		"too many":   func(s *keeper) { s.put(make(Config, MaxRules+1)) },
		"too long": func(s *keeper) {
			s.put(append(granting("push"), Rule{Match: &Match{}, Actions: []string{}, Comment: strings.Repeat("x", MaxBytes)}))
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			var s keeper
			s.put(granting("pull"))
			f, logs := following(t, &s, time.Minute)
			bad(&s)
			time.Sleep(time.Hour + time.Second)
			if got, ok := decided(t, f, "alice"); got != oci.Pull || !ok {
				t.Errorf("%s: Decide() = %q, %v", name, got, ok)
			}
			if n := logs.FilterMessageSnippet("stay").Len(); n != 1 {
				t.Errorf("%s: logged %d times", name, n)
			}
			s.put(granting("push"))
			time.Sleep(retry + time.Second)
			if got, _ := decided(t, f, "alice"); got != oci.Push {
				t.Errorf("%s: %q when it is over", name, got)
			}
		})
	}
}

// TestNoRulesIsNoAnswer: nobody is refused, or granted anything, by rules that
// were never read.
func TestNoRulesIsNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s keeper
		s.fail(errAway)
		f, logs := following(t, &s, time.Hour)
		granted, ok, err := f.Decide(t.Context(), asking("alice", "a/b", nil))
		if granted != 0 || ok || !errors.Is(err, errAway) {
			t.Errorf("Decide() = %q, %v, %v", granted, ok, err)
		}
		s.fail(errors.New("something else"))
		time.Sleep(3 * retry)
		if logs.Len() != 2 {
			t.Errorf("logged: %v", logs.All())
		}
		s.put(granting("pull"))
		time.Sleep(retry + time.Second)
		if got, _ := decided(t, f, "alice"); got != oci.Pull {
			t.Errorf("Decide() = %q when it is over", got)
		}
	})
}

// TestDecideWaitsForTheFirstAnswer, and no longer than its caller does.
func TestDecideWaitsForTheFirstAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		f := Follow(func(context.Context) (Config, error) { <-answer; return granting("pull"), nil }, time.Hour, nil)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go f.Run(ctx)
		hurried, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, ok, err := f.Decide(hurried, asking("alice", "a/b", nil)); ok || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Decide() = %v, %v", ok, err)
		}
		go func() { time.Sleep(time.Second); close(answer) }()
		if got, _ := decided(t, f, "alice"); got != oci.Pull {
			t.Errorf("Decide() = %q", got)
		}
	})
}

// TestStoppedBeforeTheFirstAnswer: whoever waits is told so.
func TestStoppedBeforeTheFirstAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		f := Follow(func(ctx context.Context) (Config, error) { <-ctx.Done(); return granting("pull"), nil }, time.Hour, nil)
		go f.Run(ctx)
		go func() { time.Sleep(time.Second); stop() }()
		if _, ok, err := f.Decide(t.Context(), asking("alice", "a/b", nil)); ok || err == nil {
			t.Errorf("Decide() = %v, %v", ok, err)
		}
	})
}

// TestSourceThatHangsIsGivenUp.
func TestSourceThatHangsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := Follow(func(ctx context.Context) (Config, error) { <-ctx.Done(); return nil, ctx.Err() }, time.Hour, nil)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go f.Run(ctx)
		if _, _, err := f.Decide(t.Context(), asking("alice", "a/b", nil)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Decide() = %v", err)
		}
	})
}

// TestInherit: a reload while the source is down loses nothing.
func TestInherit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s keeper
		s.put(granting("pull"))
		old, _ := following(t, &s, time.Minute)
		s.fail(errAway)
		next := Follow(s.load, time.Minute, nil)
		next.Inherit(old)
		next.Inherit(nil)
		next.Inherit(Follow(s.load, time.Minute, nil)) // which has none
		if got, _ := decided(t, next, "alice"); got != oci.Pull {
			t.Errorf("Decide() before Run = %q", got)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go next.Run(ctx)
		time.Sleep(time.Hour)
		if got, _ := decided(t, next, "alice"); got != oci.Pull {
			t.Errorf("Decide() = %q", got)
		}
	})
}

// TestTroubleIsTheSameFromAnotherPort.
func TestTroubleIsTheSameFromAnotherPort(t *testing.T) {
	from := func(port int) error {
		return fmt.Errorf("select: %w", &net.OpError{Op: "read", Net: "tcp", Source: &net.TCPAddr{Port: port}, Addr: &net.TCPAddr{Port: 5432}, Err: errAway})
	}
	if tell(from(1000)) != tell(from(2000)) || tell(from(1000)) == tell(errAway) {
		t.Errorf("told: %q, %q", tell(from(1000)), tell(from(2000)))
	}
}

func TestRefresh(t *testing.T) {
	for _, tt := range []struct {
		ttl  time.Duration
		want string
	}{
		{time.Second, ""},
		{24 * time.Hour, ""},
		{0, "cache_ttl: 0s is no time: leave the key out for 1m0s, or write one such as 30s"},
		{-time.Second, "cache_ttl: -1s is not between 1s and 24h0m0s"},
		{time.Millisecond, "cache_ttl: 1ms is not between 1s and 24h0m0s"},
		{25 * time.Hour, "cache_ttl: 25h0m0s is not between 1s and 24h0m0s"},
	} {
		got := ""
		if err := (Refresh{CacheTTL: &tt.ttl}).Validate(); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("Validate() of %s = %q, want %q", tt.ttl, got, tt.want)
		}
	}
	if err := (Refresh{}).Validate(); err != nil || (Refresh{}).Every() != time.Minute {
		t.Errorf("without a value: %v, %s", err, Refresh{}.Every())
	}
}

// BenchmarkFollower decides with rules of the configuration and with the same
// ones from elsewhere, in turn, and says how much longer the latter takes.
func BenchmarkFollower(b *testing.B) {
	const n = 10_000
	c, asks := benchmarkRules(n, 0), benchmarkAsks(n)
	f := Follow(func(context.Context) (Config, error) { return c, nil }, time.Hour, nil)
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	go f.Run(ctx)
	deciders := [2]Decider{mustCompile(b, c), f}
	var took [2]time.Duration
	for b.Loop() {
		for i, d := range deciders {
			before := cpuTime(b)
			for k := range 100 * len(asks) {
				if _, _, err := d.Decide(ctx, asks[k%len(asks)]); err != nil {
					b.Fatal(err)
				}
			}
			took[i] += cpuTime(b) - before
		}
	}
	b.ReportMetric(float64(took[1])/float64(took[0]), "times-the-file")
	b.ReportMetric(float64(took[1])/float64(b.N*100*len(asks)), "cpu-ns/decision")
}
