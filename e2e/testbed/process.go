package testbed

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/regate/regate/e2e/tool"
)

// Patience bounds every wait for a server to come up or go down.
const Patience = 30 * time.Second

// logTail is how many lines of a log a failure shows: enough for the stacks of
// a server that hangs.
const logTail = 200

// ports counts up from above the usual fixed ones, staying below those the
// kernel gives to outgoing connections. The network namespace is ours alone, so
// a port that was never handed out is free.
var ports atomic.Int32

// Port returns a TCP port that no other caller gets.
func Port() int { return 20000 + int(ports.Add(1)) }

// Dir makes a folder that stays until the run is over. It stands in for
// t.TempDir, because engines mount things below it which cannot be removed while
// the namespace lives, and because podman and sockets want short paths.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// A Process is a running server with its output in a file.
type Process struct {
	name    string
	path    string
	command Command
	cmd     *exec.Cmd
	log     string
	done    chan struct{} // closed when it has ended
}

// A Command says what to start. Program is found by tool.Path.
type Command struct {
	Program string
	Args    []string
	Env     []string // beside PATH and HOME
	Dir     string   // where its log goes
	Stdin   string   // for Run
}

// Start starts a server that is stopped when the test ends. If the test has
// failed by then, the end of the log is shown.
func Start(t testing.TB, c Command) *Process {
	t.Helper()
	path, err := tool.Path(c.Program)
	if err != nil {
		t.Fatal(err)
	}
	p := &Process{name: filepath.Base(path), path: path, command: c}
	p.log = filepath.Join(c.Dir, p.name+".log")
	p.begin(t)
	if c.ours() {
		run.hear(statement{where: t.Name() + " " + p.log, file: p.log})
	}
	t.Cleanup(func() {
		p.Stop(t)
		if t.Failed() {
			t.Logf("end of %s:\n%s", p.log, tail(p.Log(), logTail))
		}
	})
	return p
}

// Restart starts the same again, after it has ended, and does not wait until it
// is ready. Nobody else may use the process meanwhile.
func (p *Process) Restart(t testing.TB) {
	t.Helper()
	<-p.done
	p.begin(t)
}

func (p *Process) begin(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p.cmd = exec.Command(p.path, p.command.Args...)
	p.cmd.Env = append(tool.Environ(p.command.Dir), p.command.Env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.done = make(chan struct{})
	go reap(p.cmd, p.done)
}

func reap(cmd *exec.Cmd, done chan<- struct{}) {
	_ = cmd.Wait() // how it ended is in its log
	close(done)
}

// Pid returns the process id, for tests that look at /proc.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends a signal to the process.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Log returns what the process has printed so far.
func (p *Process) Log() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Stop ends the process, politely first, and waits for it.
func (p *Process) Stop(t testing.TB) {
	t.Helper()
	_ = p.Signal(syscall.SIGTERM) // it may be gone already
	select {
	case <-p.done:
	case <-time.After(Patience):
		t.Errorf("%s did not end within %v of SIGTERM", p.name, Patience)
		_ = p.Signal(syscall.SIGQUIT) // a Go program prints what it is doing
		<-p.done
	}
}

// Await polls ready until it reports nil, the process has ended, or Patience is over.
func (p *Process) Await(t testing.TB, ready func() error) {
	t.Helper()
	await(t, ready, p.done, func() {
		t.Fatalf("%s ended before it was ready:\n%s", p.name, tail(p.Log(), logTail))
	})
}

// Await polls ready until it reports nil or Patience is over.
func Await(t testing.TB, ready func() error) {
	t.Helper()
	await(t, ready, nil, nil)
}

func await(t testing.TB, ready func() error, done <-chan struct{}, ended func()) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	for {
		err := ready()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not ready after %v: %v", Patience, err)
		}
		select {
		case <-done:
			ended()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func tail(text string, lines int) string {
	all := strings.SplitAfter(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "")
}

// Run runs a command to its end and returns all that it printed.
func Run(t testing.TB, c Command) string {
	t.Helper()
	out, err := Try(c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Try is Run for a command that may go wrong.
func Try(c Command) (string, error) {
	path, err := tool.Path(c.Program)
	if err != nil {
		return "", err
	}
	cmd := exec.Command(path, c.Args...)
	cmd.Env = append(tool.Environ(c.Dir), c.Env...)
	cmd.Stdin = strings.NewReader(c.Stdin)
	out, err := cmd.CombinedOutput()
	if c.ours() {
		run.hearCommand(c, string(out))
	}
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", c.Program, strings.Join(c.Args, " "), err, out)
	}
	return string(out), nil
}
