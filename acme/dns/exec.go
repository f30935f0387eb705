package dns

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/libdns/libdns"
	"go.uber.org/zap"

	"github.com/regate/regate/internal/problem"
)

// Exec is a program that changes the DNS where there is no provider for it. It
// is called as the exec provider of lego calls it, so scripts for that work:
//
//	COMMAND... present _acme-challenge.registry.example.com. VALUE
//	COMMAND... cleanup _acme-challenge.registry.example.com. VALUE
//
// and must add or delete a TXT record with that value, and leave others of the
// same name alone. It succeeds with exit status 0; what it writes to stderr is
// in the error otherwise. Its environment has PATH, HOME and REGATE_ZONE, the
// zone that the name is in, and nothing else.
type Exec struct {
	// Command is the program's absolute path and its first arguments. No shell
	// reads it, and everybody on the machine can, so there may be no secret in
	// it. Needed.
	Command []string `yaml:"command"`

	// Timeout is after how long the program, and what it started, is killed.
	// Default 1m.
	Timeout time.Duration `yaml:"timeout"`
}

func (c Exec) withDefaults() Exec {
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	return c
}

func (c Exec) validate() error {
	var l problem.List
	switch {
	case len(c.Command) == 0:
		l.Addf("command", "is missing: write [/path/of/program, argument, ...]")
	case !filepath.IsAbs(c.Command[0]):
		l.Addf("command[0]", "%q is no absolute path", c.Command[0])
	}
	if c.Timeout < 0 || c.Timeout > maxWait {
		l.Addf("timeout", "%s is not between 0s and %s", c.Timeout, maxWait)
	}
	return l.Err()
}

// A program is a Provider that lets another program do the work.
type program struct {
	Exec
	log *zap.Logger
}

// AppendRecords implements libdns.RecordAppender.
func (p program) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return p.each(ctx, "present", zone, recs)
}

// DeleteRecords implements libdns.RecordDeleter.
func (p program) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return p.each(ctx, "cleanup", zone, recs)
}

// each calls the program for one record after the other, and returns those
// that it took.
func (p program) each(ctx context.Context, verb, zone string, recs []libdns.Record) (done []libdns.Record, err error) {
	for _, rec := range recs {
		rr := rec.RR()
		if rr.Type != "TXT" {
			return done, fmt.Errorf("%s record: the program is for TXT records", rr.Type)
		}
		if err := p.call(ctx, zone, verb, libdns.AbsoluteName(rr.Name, zone), rr.Data); err != nil {
			return done, err
		}
		done = append(done, rec)
	}
	return done, nil
}

func (p program) call(ctx context.Context, zone string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, p.withDefaults().Timeout)
	defer cancel()
	var stderr excerpt
	cmd := exec.CommandContext(ctx, p.Command[0], append(p.Command[1:len(p.Command):len(p.Command)], args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "REGATE_ZONE=" + zone}
	cmd.Stderr = &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // to kill what it has started as well
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	p.log.Debug("program ran", zap.Strings("command", cmd.Args), zap.Error(err))
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		err = ctx.Err()
	}
	return fmt.Errorf("%s %s: %w%s", p.Command[0], args[0], err, &stderr)
}

// An excerpt keeps the beginning of what is written to it.
type excerpt struct{ buf bytes.Buffer }

const maxExcerpt = 1 << 10

func (e *excerpt) Write(b []byte) (int, error) {
	e.buf.Write(b[:min(len(b), maxExcerpt-e.buf.Len())])
	return len(b), nil
}

// String is what was written, fit for one line and with a colon before it, or
// "" if that is nothing.
func (e *excerpt) String() string {
	text := strings.Join(strings.FieldsFunc(strings.ToValidUTF8(e.buf.String(), ""), unprintable), " ")
	if text == "" {
		return ""
	}
	return ": " + text
}

func unprintable(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }
