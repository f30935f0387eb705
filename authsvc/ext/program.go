package ext

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/regate/regate/internal/problem"
)

// pipeTime is how long the pipes of a program may stay open after its end.
const pipeTime = 500 * time.Millisecond

// A program is started for each question.
type program struct {
	path string
	args []string
	env  []string
	log  *zap.Logger
}

func newProgram(cfg Backend, log *zap.Logger) (*program, error) {
	path, err := exec.LookPath(cfg.Command)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		var l problem.List
		l.Addf("command", "%v", err)
		return nil, l.Err()
	}
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	return &program{path: path, args: cfg.Args, env: env, log: log}, nil
}

func (p *program) close() {}

// ask starts the program and waits until it, and what it started, is gone.
func (p *program) ask(ctx context.Context, q question) (answer, error) {
	ctx, kill := context.WithCancel(ctx)
	defer kill()
	out, said := &output{full: kill}, &excerpt{}
	cmd := p.command(ctx)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(q.stdin), out, said
	err := run(cmd)
	a, err := p.answer(cmd, out, err)
	switch text := said.text(q.secret); {
	case err != nil && text != "":
		return answer{}, fmt.Errorf("%s: %w: %s", p.path, err, text)
	case err != nil:
		return answer{}, fmt.Errorf("%s: %w", p.path, err)
	case text != "":
		p.log.Info("program wrote to stderr", zap.String("program", p.path), zap.String("subject", q.about), zap.String("stderr", text))
	}
	return a, nil
}

func (p *program) command(ctx context.Context) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.path, p.args...)
	cmd.Env = p.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	cmd.WaitDelay = pipeTime
	return cmd
}

// run ends what the program has started with the program: a login must leave
// nothing behind that piles up. The group is killed while its leader is a
// zombie, whose number nobody else can have.
func run(cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	pid := cmd.Process.Pid
	for errors.Is(unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
	_ = killGroup(pid) // there may be nobody left
	err := cmd.Wait()
	reapGroup(pid)
	return err
}

// reapGroup waits for those who were killed with their parent. They are ours to
// wait for where the gate is process 1, as in a container; elsewhere there is
// nobody to wait for.
func reapGroup(pid int) {
	var err error
	for err == nil || errors.Is(err, unix.EINTR) {
		_, err = unix.Wait4(-pid, nil, 0, nil)
	}
}

func killGroup(pid int) error {
	err := unix.Kill(-pid, unix.SIGKILL)
	if errors.Is(err, unix.ESRCH) {
		return os.ErrProcessDone // as os/exec wants it
	}
	return err
}

// answer reads the exit status, and what was written if it is 0.
func (p *program) answer(cmd *exec.Cmd, out *output, err error) (answer, error) {
	var exit *exec.ExitError
	switch {
	case out.over:
		return answer{}, errLong
	case errors.Is(err, exec.ErrWaitDelay):
		return answer{}, errors.New("it has ended, and something else still holds its output open")
	case err != nil && !errors.As(err, &exit): // not started, or its output is not all there
		return answer{}, err
	}
	switch cmd.ProcessState.ExitCode() {
	case 0:
		return answer{allow, out.details()}, nil
	case 1:
		return answer{verdict: deny}, nil
	case 2:
		return answer{verdict: unknown}, nil
	}
	return answer{}, errors.New(cmd.ProcessState.String()) // exit status 3, signal: killed
}
