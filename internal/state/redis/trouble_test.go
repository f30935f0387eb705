package redis

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/regate/regate/internal/state"
)

// until waits for what a test has brought about.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// TestLoadingIsNotUnfit: while Redis reads its disk it says that it has no
// append-only file (INFO of 7.0: aof_enabled:0), and nothing of it is to be
// believed, nor to be warned of.
func TestLoadingIsNotUnfit(t *testing.T) {
	t.Parallel()
	var loaded atomic.Bool
	info := "redis_version:7.0.15\r\nloading:1\r\nrole:master\r\nmaxmemory_policy:noeviction\r\naof_enabled:0"
	fit, loading := good("", ""), good("INFO", fmt.Sprintf("$%d\r\n%s\r\n", len(info), info))
	cfg := standin{reply: func(args []string) string {
		switch {
		case loaded.Load():
			return fit(args)
		case strings.EqualFold(args[0], "CONFIG"):
			return "*2\r\n$4\r\nsave\r\n$0\r\n\r\n"
		}
		return loading(args)
	}}.start(t)
	core, said := observer.New(zap.DebugLevel)
	s, err := open(t.Context(), cfg, defaultPrefix, zap.New(core))
	if err != nil {
		t.Fatalf("open: %v, want that it is asked again", err)
	}
	defer s.Close()
	if trouble := s.Trouble(); trouble == nil || trouble.Answers || !errors.Is(trouble.Err, errLoading) {
		t.Errorf("trouble is %+v", trouble)
	}
	loaded.Store(true)
	until(t, "it is taken when it has loaded", func() bool { return s.Trouble() == nil })
	if all := fmt.Sprint(said.All()); strings.Contains(all, "disk: ") || strings.Contains(all, "append-only") {
		t.Errorf("it is told of what is not so: %s", all)
	}
}

const (
	full     = "-OOM command not allowed when used memory > 'maxmemory'."
	tail     = " script: b204a7b8, on @user_script:15.\r\n"
	fullText = "OOM command not allowed when used memory > 'maxmemory'."
)

// TestRefusalsAreTold once when they begin, without what only we could read, and
// once when they are over. Reads go on meanwhile.
func TestRefusalsAreTold(t *testing.T) {
	t.Parallel()
	var refuses atomic.Bool
	fit := good("", "")
	cfg := standin{reply: func(args []string) string {
		if refuses.Load() && strings.HasPrefix(strings.ToUpper(args[0]), "EVAL") {
			return full + tail
		}
		return fit(args)
	}}.start(t)
	core, said := observer.New(zap.DebugLevel)
	s, err := open(t.Context(), cfg, defaultPrefix, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Trouble() != nil || said.Len() != 0 {
		t.Fatalf("trouble is %v, log %v", s.Trouble(), said.All())
	}
	refuses.Store(true)
	for range 2 * mostFailures {
		if _, err := s.Put(t.Context(), "a/b", nil, state.PutOpts{}); err == nil || err.Error() != "put a/b: "+fullText {
			t.Fatalf("Put = %v", err)
		}
		if _, err := s.Get(t.Context(), "a/b"); !errors.Is(err, state.ErrNotFound) {
			t.Fatalf("Get = %v, want that it is asked", err)
		}
	}
	trouble := s.Trouble()
	if trouble == nil || !trouble.Answers || trouble.Err.Error() != fullText || !strings.Contains(trouble.Advice, "maxmemory") {
		t.Errorf("trouble is %+v", trouble)
	}
	refuses.Store(false)
	until(t, "it is over", func() bool { return s.Trouble() == nil })
	lines := said.All()
	if len(lines) != 2 || lines[0].Message != "state answers, and does not do what it is asked" ||
		lines[0].ContextMap()["error"] != fullText || lines[1].Message != "state does again what it is asked" {
		t.Errorf("the log has %v", lines)
	}
}

// TestMissingRightsAreToldAtTheStart, before anybody needs them.
func TestMissingRightsAreToldAtTheStart(t *testing.T) {
	t.Parallel()
	for name, say := range map[string]string{
		"EVALSHA":     "-NOPERM this user has no permissions to run the 'evalsha' command\r\n",
		"SET":         "-NOPERM this user has no permissions to run the 'set' command\r\n",
		"ZRANGEBYLEX": "-NOPERM this user has no permissions to run the 'zrangebylex' command\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			core, said := observer.New(zap.DebugLevel)
			s, err := open(t.Context(), standin{reply: good(name, say)}.start(t), defaultPrefix, zap.New(core))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if trouble := s.Trouble(); trouble == nil || !strings.Contains(trouble.Advice, "docs/fleet.md") {
				t.Errorf("trouble is %+v", trouble)
			}
			if n := said.FilterMessage("state answers, and does not do what it is asked").Len(); n != 1 {
				t.Errorf("the log has %v", said.All())
			}
		})
	}
}

// TestServerBecomesUnfit while it is in use: it is told of once, and used.
func TestServerBecomesUnfit(t *testing.T) {
	t.Parallel()
	var unfit atomic.Bool
	info := "redis_version:7.0.15\r\nrole:master\r\nmaxmemory_policy:allkeys-lru\r\naof_enabled:1"
	fit, cache := good("", ""), good("INFO", fmt.Sprintf("$%d\r\n%s\r\n", len(info), info))
	core, said := observer.New(zap.DebugLevel)
	s, err := open(t.Context(), standin{reply: func(args []string) string {
		if unfit.Load() {
			return cache(args)
		}
		return fit(args)
	}}.start(t), defaultPrefix, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	was := true
	for i, want := range []int{0, 1, 1, 2} {
		unfit.Store(i == 1 || i == 2)
		if was = s.patrolOnce(was); said.Len() != want {
			t.Errorf("after look %d the log has %v", i, said.All())
		}
		if _, err := s.Get(t.Context(), "a/b"); !errors.Is(err, state.ErrNotFound) {
			t.Errorf("Get = %v", err)
		}
	}
}

// TestFirstFailureIsTrouble, at once and not after the last straw, and whoever
// asks nothing more is not left in doubt.
func TestFirstFailureIsTrouble(t *testing.T) {
	t.Parallel()
	var away atomic.Bool
	fit := good("", "")
	s, err := open(t.Context(), standin{reply: func(args []string) string {
		if away.Load() {
			return ""
		}
		return fit(args)
	}}.start(t), defaultPrefix, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	away.Store(true)
	before := time.Now()
	if _, err := s.Get(t.Context(), "a/b"); !isOutage(err) {
		t.Fatalf("Get = %v", err)
	}
	first := s.Trouble()
	if first == nil || first.Answers || first.Since.Before(before) {
		t.Fatalf("trouble is %+v", first)
	}
	until(t, "nothing is asked any more", func() bool { return s.link.trouble() != nil })
	if now := s.Trouble(); now == nil || !now.Since.Equal(first.Since) {
		t.Errorf("trouble is %+v, want since %v", now, first.Since)
	}
	away.Store(false)
	until(t, "it is back", func() bool { return s.Trouble() == nil && s.link.trouble() == nil })
}

var discreetTests = []struct{ said, want string }{
	{full[1:] + " script: b204, on @user_script:15.", fullText},
	{"ERR Error running script (call to f_b204): @user_script:15: -" + fullText, fullText}, // Redis 6.2
	{"ERR unknown command 'AUTH', with args beginning with: 'hunter2'", "ERR unknown command 'AUTH'"},
}

func TestDiscreet(t *testing.T) {
	t.Parallel()
	for _, tt := range discreetTests {
		if got := discreet(tt.said); got != tt.want {
			t.Errorf("discreet(%q) = %q, want %q", tt.said, got, tt.want)
		}
	}
}
