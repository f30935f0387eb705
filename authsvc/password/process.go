package password

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// startTime is how long a helper may take to say that it is one.
const startTime = 10 * time.Second

// A process is this program once more, as a helper. It gets passwords and
// hashes through its pipe only.
type process struct {
	cmd  *exec.Cmd
	ask  io.WriteCloser
	hear *os.File
	dead chan struct{} // closed when it has ended
}

func startHelper() (*process, error) {
	cmd, err := helperCommand()
	if err != nil {
		return nil, err
	}
	return startProcess(cmd)
}

// startProcess returns when the process has said that it is a helper.
func startProcess(cmd *exec.Cmd) (*process, error) {
	hear, say, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout = say
	p := &process{cmd: cmd, hear: hear, dead: make(chan struct{})}
	if p.ask, err = cmd.StdinPipe(); err == nil {
		err = cmd.Start()
	}
	_ = say.Close() // or nobody would hear that the process is dead
	if err != nil {
		_ = hear.Close()
		return nil, err
	}
	go p.reap()
	return p, p.greet()
}

// helperCommand is this program, even if another one is at its path by now.
func helperCommand() (*exec.Cmd, error) {
	if IsHelper() { // whoever forgets to ask would go on for ever
		return nil, errors.New("this is a helper itself")
	}
	path := "/proc/self/exe"
	if runtime.GOOS != "linux" {
		var err error
		if path, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	return &exec.Cmd{
		Path:        path,
		Args:        []string{helperName},
		Env:         []string{helperVar + "=1", "GOMAXPROCS=1", "GOGC=25"},
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}, nil
}

// reap is the goroutine of a process, and ends with it.
func (p *process) reap() {
	_ = p.cmd.Wait() // how it ended is said where it is missed
	close(p.dead)
}

func (p *process) greet() error {
	word, err := p.listen(startTime)
	if err == nil && word == ready {
		return nil
	}
	p.end()
	return fmt.Errorf("not a helper: %v", p.cmd.ProcessState)
}

// longest is how long a comparison may take before its helper is given up, as
// one that was stopped must be. It is thirty times what is usual, and half a
// minute: helpers step back, and machines may be slow.
func longest(q question) time.Duration {
	return 30*time.Second + 1500*time.Millisecond<<Cost(string(q.hash[:]))>>DefaultCost
}

// compare returns the answer to q, or an error if the process has died of it,
// or before it, or has not answered in time.
func (p *process) compare(q question, limit time.Duration) (answer, error) {
	b := q.bytes()
	defer clear(b)
	if _, err := p.ask.Write(b); err != nil {
		return 0, err
	}
	return p.listen(limit)
}

func (p *process) listen(limit time.Duration) (answer, error) {
	_ = p.hear.SetReadDeadline(time.Now().Add(limit)) // a pipe that has none is closed
	var word [1]byte
	_, err := io.ReadFull(p.hear, word[:])
	return answer(word[0]), err
}

func (p *process) alive() bool {
	select {
	case <-p.dead:
		return false
	default:
		return true
	}
}

// end kills the process if it is alive, and waits for that.
func (p *process) end() {
	_ = p.cmd.Process.Kill()
	<-p.dead
	_ = p.hear.Close()
}
