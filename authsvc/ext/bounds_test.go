package ext

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/regate/regate/authsvc/authn"
)

// slow writes the numbers of itself and of a child into a file, and waits with
// it for a minute.
func slow(pids string) Backend {
	return sh(`sleep 60 & echo $$ $! > `+pids+`.new`, `mv `+pids+`.new `+pids, `wait`)
}

// gone reports whether none of the processes in the file is there any more.
func gone(t *testing.T, pids string) bool {
	t.Helper()
	text, err := os.ReadFile(pids)
	must(t, err)
	for _, field := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(field)
		must(t, err)
		if running(pid) {
			return false
		}
	}
	return true
}

// running is false for a zombie, which whoever adopted it will reap.
func running(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func TestSlowProgramIsKilledWithItsChildren(t *testing.T) {
	t.Parallel()
	pids := filepath.Join(t.TempDir(), "pids")
	b := slow(pids)
	b.Timeout = 500 * time.Millisecond
	u, _ := newUsers(t, b)
	_, err := u.Authenticate(t.Context(), alice)
	if err == nil || settled(err) || !strings.Contains(err.Error(), "no answer within 500ms") {
		t.Errorf("Authenticate() = %v", err)
	}
	await(t, "the end of the program and its child", func() bool { return gone(t, pids) })
}

func TestProgramIsKilledWhenNobodyWaits(t *testing.T) {
	t.Parallel()
	pids := filepath.Join(t.TempDir(), "pids")
	u, _ := newUsers(t, slow(pids))
	ctx, leave := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		_, err := u.Authenticate(ctx, alice)
		result <- err
	}()
	await(t, "a start", func() bool { _, err := os.Stat(pids); return err == nil })
	leave()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("Authenticate() = %v", err)
	}
	await(t, "the end of the program and its child", func() bool { return gone(t, pids) })
}

// TestNothingIsLeftToReap looks for zombies. With a subreaper orphans are ours
// to wait for, as they are in a container, where the gate is process 1.
func TestNothingIsLeftToReap(t *testing.T) {
	must(t, unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
	defer func() { must(t, unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)) }()
	for _, b := range []Backend{sh("exit 2"), sh("sleep 60 & sleep 60 & exit 2")} {
		u, _ := newUsers(t, b)
		for range 20 {
			_, _ = u.Authenticate(t.Context(), alice)
		}
		if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
			t.Errorf("%s: process %d was left: %v", b.Args, pid, err)
		}
	}
}

func TestSlowHook(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	h := startHookWith(t, func(http.ResponseWriter, map[string]any) { <-over })
	t.Cleanup(func() { close(over) })
	u, _ := newUsers(t, Backend{URL: h.URL, Timeout: 100 * time.Millisecond})
	_, err := u.Authenticate(t.Context(), alice)
	if err == nil || settled(err) || !strings.Contains(err.Error(), "no answer within 100ms") {
		t.Errorf("Authenticate() = %v", err)
	}
}

func TestHookThatDribbles(t *testing.T) {
	t.Parallel()
	h := startHookWith(t, func(w http.ResponseWriter, _ map[string]any) {
		for {
			if _, err := w.Write([]byte(" ")); err != nil || http.NewResponseController(w).Flush() != nil {
				return
			}
			time.Sleep(time.Millisecond) // the pace of the server, not of the test
		}
	})
	u, _ := newUsers(t, Backend{URL: h.URL, Timeout: 200 * time.Millisecond})
	if _, err := u.Authenticate(t.Context(), alice); err == nil || settled(err) {
		t.Errorf("Authenticate() = %v", err)
	}
}

// TestTurns has more ask than may: two are asked, the queue is full, the rest
// is busy.
func TestTurns(t *testing.T) {
	t.Parallel()
	const turns = 2
	goOn := make(chan struct{})
	var now, most atomic.Int64
	h := startHookWith(t, func(w http.ResponseWriter, _ map[string]any) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-goOn
		now.Add(-1)
		_, _ = w.Write([]byte(`{"result": "allow"}`))
	})
	u, _ := newUsers(t, Backend{URL: h.URL, Concurrency: turns, Timeout: time.Minute})
	var good, busy atomic.Int64
	var all sync.WaitGroup
	for range turns*queuePerTurn + turns + 5 {
		all.Go(func() {
			switch _, err := u.Authenticate(t.Context(), alice); {
			case err == nil:
				good.Add(1)
			case errors.Is(err, authn.ErrBusy):
				busy.Add(1)
			default:
				t.Errorf("Authenticate() = %v", err)
			}
		})
	}
	await(t, "two questions and five refusals", func() bool { return now.Load() == turns && busy.Load() == 5 })
	close(goOn)
	all.Wait()
	if good.Load() != turns*queuePerTurn+turns || most.Load() != turns {
		t.Errorf("%d logins, %d at once", good.Load(), most.Load())
	}
}

// TestNobodyWaitsLongForATurn, even if answers may take a minute.
func TestNobodyWaitsLongForATurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(1, mostTimeout)
		_, err := turns.take(t.Context())
		must(t, err)
		begin := time.Now()
		if _, err := turns.take(t.Context()); !errors.Is(err, authn.ErrBusy) || time.Since(begin) != mostPatience {
			t.Errorf("take() = %v after %s, want %v after %s", err, time.Since(begin), authn.ErrBusy, mostPatience)
		}
	})
}

func TestWhoeverWaitsTooLongIsTold(t *testing.T) {
	t.Parallel()
	turns := newTurns(1, 10*time.Millisecond)
	done, err := turns.take(t.Context())
	must(t, err)
	if _, err := turns.take(t.Context()); !errors.Is(err, authn.ErrBusy) {
		t.Errorf("take() = %v, want %v", err, authn.ErrBusy)
	}
	left, leave := context.WithCancel(t.Context())
	leave()
	if _, err := turns.take(left); !errors.Is(err, context.Canceled) {
		t.Errorf("take() of somebody who has left = %v", err)
	}
	done()
	if done, err = turns.take(t.Context()); err != nil {
		t.Fatalf("take() after all = %v", err)
	}
	done()
	if n := turns.waiting.Load(); n != 0 {
		t.Errorf("%d wait", n)
	}
}
