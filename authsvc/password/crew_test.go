package password

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/regate/regate/authsvc/authn"
)

// insteadVar has this program say that it is no helper, rather than test.
const (
	insteadVar = "SAYS_THAT_IT_IS_NO_HELPER"
	noHelper   = "no helper"
)

func TestMain(m *testing.M) {
	if IsHelper() {
		os.Exit(Help())
	}
	if os.Getenv(insteadVar) != "" {
		fmt.Print(noHelper)
		return
	}
	os.Exit(m.Run())
}

func apart(t *testing.T) *Pool {
	t.Helper()
	p := NewPool(Options{Workers: 1, Apart: true})
	t.Cleanup(p.Close)
	return p
}

// helperOf returns the one helper that a pool has by now.
func helperOf(t *testing.T, p *Pool) *process {
	t.Helper()
	p.crew.mu.Lock()
	defer p.crew.mu.Unlock()
	if len(p.crew.all) != 1 {
		t.Fatalf("%d helpers, want 1", len(p.crew.all))
	}
	for h := range p.crew.all {
		return h
	}
	return nil
}

func proc(t *testing.T, h *process, file string) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", h.cmd.Process.Pid, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestApartAgreesWithForeignHashes(t *testing.T) {
	p := apart(t)
	for _, tt := range hashTests {
		if err := p.Compare(t.Context(), tt.hash, tt.password); err != nil {
			t.Errorf("Compare(%s, %q) = %v", tt.hash, tt.password, err)
		}
		if err := p.Compare(t.Context(), tt.hash, "x"+tt.password); !errors.Is(err, authn.ErrWrongPassword) {
			t.Errorf("Compare(%s, another password) = %v", tt.hash, err)
		}
	}
	if err := p.Absent(t.Context(), 4, ""); err != nil {
		t.Errorf("Absent() = %v", err)
	}
	helperOf(t, p) // one for all of it
}

// TestHelperStepsBackAndKnowsNothing looks at each thread's nice (proc(5)).
func TestHelperStepsBackAndKnowsNothing(t *testing.T) {
	t.Setenv("SECRET_OF_THE_GATE", "x")
	p := apart(t)
	hash := mustHash(t, "hunter2", 4)
	if err := p.Compare(t.Context(), hash, "hunter2"); err != nil {
		t.Fatal(err)
	}
	h := helperOf(t, p)
	if seen := proc(t, h, "environ") + proc(t, h, "cmdline"); strings.Contains(seen, "hunter2") || strings.Contains(seen, hash) || strings.Contains(seen, "SECRET") {
		t.Errorf("environment and arguments of the helper: %q", seen)
	}
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", h.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		_, after, _ := strings.Cut(proc(t, h, "task/"+thread.Name()+"/stat"), ") ")
		if nice := strings.Fields(after)[16]; nice != fmt.Sprint(helperNice) {
			t.Errorf("thread %s has nice %s, want %d", thread.Name(), nice, helperNice)
		}
	}
}

// endless is a hash that takes days to compare with.
const endless = "$2a$31$" + digest

func TestHelperThatDiesIsNoVerdict(t *testing.T) {
	log, logged := observer.New(zapcore.InfoLevel)
	p := NewPool(Options{Workers: 1, Apart: true, Log: zap.New(log)})
	t.Cleanup(p.Close)
	if err := p.Compare(t.Context(), mustHash(t, "p", 4), "p"); err != nil {
		t.Fatal(err)
	}
	h := helperOf(t, p)
	answered := make(chan error)
	go func() { answered <- p.Compare(t.Context(), endless, "p") }()
	waitFor(t, func() bool { return len(p.slots) == 1 })
	_ = h.cmd.Process.Kill()
	if err := <-answered; err == nil || errors.Is(err, authn.ErrWrongPassword) || errors.Is(err, authn.ErrBusy) {
		t.Errorf("Compare() = %v, want that it cannot tell", err)
	}
	if err := p.Compare(t.Context(), mustHash(t, "p", 4), "p"); err != nil { // in the pause
		t.Errorf("Compare() after it = %v", err)
	}
	if logged.FilterMessageSnippet("own process for now").Len() != 1 {
		t.Errorf("the log has %v", logged.All())
	}
}

// TestHelperThatFailsIsEnded, also if it has not died of it: another may be
// started in its place.
func TestHelperThatFailsIsEnded(t *testing.T) {
	p := apart(t)
	hash := mustHash(t, "p", 4)
	if err := p.Compare(t.Context(), hash, "p"); err != nil {
		t.Fatal(err)
	}
	h := helperOf(t, p)
	_ = h.hear.Close() // as if it said no more
	if err := p.Compare(t.Context(), hash, "p"); err == nil || errors.Is(err, authn.ErrWrongPassword) {
		t.Errorf("Compare() = %v, want that it cannot tell", err)
	}
	if h.alive() {
		t.Error("the helper is still there")
	}
}

// TestHelperThatIsStoppedIsReplaced, and does not hold a login up for ever.
func TestHelperThatIsStoppedIsReplaced(t *testing.T) {
	p := apart(t)
	hash := mustHash(t, "p", 4)
	if err := p.Compare(t.Context(), hash, "p"); err != nil {
		t.Fatal(err)
	}
	h := helperOf(t, p)
	if err := h.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	p.crew.limit = func(question) time.Duration { return 10 * time.Millisecond }
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := p.Compare(ctx, hash, "p")
	if !errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, authn.ErrWrongPassword) || errors.Is(err, authn.ErrBusy) {
		t.Fatalf("Compare() = %v, want that it cannot tell", err)
	}
	if h.alive() {
		t.Error("the helper is still there")
	}
	p.crew.limit = longest
	waitFor(t, func() bool {
		if err := p.Compare(ctx, hash, "p"); err != nil {
			t.Fatalf("Compare() after it = %v", err)
		}
		p.crew.mu.Lock()
		defer p.crew.mu.Unlock()
		return len(p.crew.all) == 1
	})
}

func TestLongestFollowsTheCost(t *testing.T) {
	for cost, want := range map[int]time.Duration{
		4:  30*time.Second + 23437500*time.Nanosecond,
		10: 31500 * time.Millisecond,
		17: 222 * time.Second,
		31: 30*time.Second + 1500*time.Millisecond*(1<<21),
	} {
		if got := longest(newQuestion(fmt.Sprintf("$2b$%02d$%s", cost, digest), "p")); got != want {
			t.Errorf("longest at cost %d is %s, want %s", cost, got, want)
		}
	}
}

// TestHelperOfAClosedPool is started while the pool is closed.
func TestHelperOfAClosedPool(t *testing.T) {
	c := newCrew(zap.NewNop())
	var late *process
	c.start = func() (h *process, err error) {
		late, err = startHelper()
		c.close()
		return late, err
	}
	if err := c.compare(newQuestion(mustHash(t, "p", 4), "p")); err != nil {
		t.Errorf("compare() = %v", err)
	}
	if late.alive() {
		t.Error("the helper outlives the pool")
	}
}

func TestIdleHelperThatDiesIsReplaced(t *testing.T) {
	p := apart(t)
	hash := mustHash(t, "p", 4)
	if err := p.Compare(t.Context(), hash, "p"); err != nil {
		t.Fatal(err)
	}
	first := helperOf(t, p)
	_ = first.cmd.Process.Kill()
	<-first.dead
	if err := p.Compare(t.Context(), hash, "p"); err != nil {
		t.Errorf("Compare() = %v", err)
	}
	if helperOf(t, p) == first {
		t.Error("it is still the first helper")
	}
}

func TestHelperEndsWithThePool(t *testing.T) {
	p := apart(t)
	if err := p.Compare(t.Context(), mustHash(t, "p", 4), "p"); err != nil {
		t.Fatal(err)
	}
	h := helperOf(t, p)
	p.Close()
	if h.alive() {
		t.Error("the helper outlives the pool")
	}
}

// TestHelperEndsWithItsInput, as it does when the gate is killed, in the midst of
// a comparison; and with nothing else that the gate is sent.
func TestHelperEndsWithItsInput(t *testing.T) {
	h, err := startHelper()
	if err != nil {
		t.Fatal(err)
	}
	defer h.end()
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM} {
		_ = h.cmd.Process.Signal(s)
	}
	if got, err := h.compare(newQuestion(mustHash(t, "p", 4), "p"), time.Minute); got != equal || err != nil {
		t.Fatalf("compare() after signals = %q, %v", got, err)
	}
	if _, err := h.ask.Write(newQuestion(endless, "p").bytes()); err != nil {
		t.Fatal(err)
	}
	_ = h.ask.Close()
	waitFor(t, func() bool { return !h.alive() })
	if code := h.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestHelpersAreStartedAsSuch has this program started almost as a helper is.
// In all cases but the first it does what else it is for.
func TestHelpersAreStartedAsSuch(t *testing.T) {
	for _, tt := range []struct {
		name   string
		spoil  func(*exec.Cmd)
		helper bool
	}{
		{"as it should", func(*exec.Cmd) {}, true},
		{"without the variable", func(c *exec.Cmd) { c.Env = []string{insteadVar + "=1"} }, false},
		{"under another name", func(c *exec.Cmd) { c.Args = []string{"regate"} }, false},
		{"with arguments", func(c *exec.Cmd) { c.Args = append(c.Args, "serve") }, false},
		{"without input", func(c *exec.Cmd) { c.Stdin = nil }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd, err := helperCommand()
			if err != nil {
				t.Fatal(err)
			}
			cmd.Env = append(cmd.Env, insteadVar+"=1")
			cmd.Stdin = struct{ io.Reader }{strings.NewReader("")} // through a pipe
			tt.spoil(cmd)
			out, err := cmd.Output()
			if helper := string(out) != noHelper; helper != tt.helper || err != nil {
				t.Errorf("it says %q, %v; want a helper: %v", out, err, tt.helper)
			}
		})
	}
}

func TestOtherProgramsAreNoHelpers(t *testing.T) {
	if h, err := startProcess(exec.CommandContext(t.Context(), "true")); err == nil {
		h.end()
		t.Error("`true` is taken for a helper")
	}
	if h, err := startProcess(exec.CommandContext(t.Context(), "echo", "hello")); err == nil {
		h.end()
		t.Error("`echo` is taken for a helper")
	}
	if _, err := startProcess(exec.CommandContext(t.Context(), "/nowhere")); err == nil {
		t.Error("a helper out of nothing")
	}
}

// TestWithoutHelpersTheGateCompares has a system that starts no processes.
func TestWithoutHelpersTheGateCompares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, logged := observer.New(zapcore.InfoLevel)
		c := newCrew(zap.New(log))
		tried := 0
		c.start = func() (*process, error) {
			tried++
			return nil, errors.New("operation not permitted")
		}
		hash := mustHash(t, "p", 4)
		for range 100 {
			if err := c.compare(newQuestion(hash, "p")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Second)
		}
		if err := c.compare(newQuestion(hash, "q")); !errors.Is(err, authn.ErrWrongPassword) {
			t.Errorf("compare() with a wrong password = %v", err)
		}
		if tried < 8 || tried > 20 { // the pause grows to a minute
			t.Errorf("%d helpers tried in 500 s", tried)
		}
		if logged.Len() != 1 {
			t.Errorf("logged: %v", logged.All())
		}
	})
}

func TestRubbishIsNoVerdict(t *testing.T) {
	for b := range 256 {
		err := answer(b).verdict()
		if (err == nil) != (b == 'y') || errors.Is(err, authn.ErrWrongPassword) != (b == 'n') {
			t.Errorf("%q is %v", rune(b), err)
		}
	}
}

func FuzzQuestion(f *testing.F) {
	f.Add([]byte(""))
	f.Add(newQuestion(endless, "p").bytes())
	f.Add(newQuestion(endless, strings.Repeat("p", 80)).bytes())
	f.Add(append([]byte(endless), 255))
	f.Fuzz(func(t *testing.T, text []byte) {
		q, err := readQuestion(strings.NewReader(string(text)))
		if err != nil {
			return
		}
		if got := q.bytes(); !strings.HasPrefix(string(text), string(got)) || len(q.password) > seen {
			t.Errorf("%q was read as %q", text, got)
		}
	})
}

func TestHelpRefusesWhatNobodyAsks(t *testing.T) {
	in := strings.NewReader(endless + "\xff")
	if code := help(in, io.Discard); code != 1 {
		t.Errorf("help() = %d, want 1", code)
	}
}
