package testbed

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A System is a copy of this machine with a systemd of its own as its first
// process: what is written and installed there is gone with the test. Its
// network is a loopback, with all ports free.
type System struct {
	holder *Process
	init   int // the process id of its systemd
}

// boot is how it comes about, as root of namespaces of its own.
//
//go:embed boot.sh
var boot string

// StartSystem boots one, without any unit but those that systemd has to have.
func StartSystem(t testing.TB) *System {
	t.Helper()
	dir := Dir(t)
	group := controlGroup(t)
	script := "echo $$ >" + group + "/cgroup.procs\n" +
		"exec unshare --mount --pid --net --ipc --uts --cgroup --fork --kill-child sh -c \"$1\" boot " + dir
	s := &System{}
	s.holder = Start(t, Command{Program: "sh", Args: []string{"-ec", script, "boot", boot}, Dir: dir})
	t.Cleanup(func() {
		if s.init > 0 {
			_ = syscall.Kill(s.init, syscall.SIGKILL) // and with it, its whole namespace
		}
	})
	s.holder.Await(t, s.booted)
	return s
}

// booted looks for the systemd, which says over its socket that it is done.
func (s *System) booted() error {
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", s.holder.Pid()))
	if err != nil {
		return err
	}
	if s.init, err = strconv.Atoi(strings.TrimSpace(string(children))); err != nil {
		return errors.New("nothing is forked yet")
	}
	if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", s.init)); err != nil || string(name) != "systemd\n" {
		return fmt.Errorf("the first process is %s", name)
	}
	_, err = s.Try("systemctl", "is-active", "e2e.target")
	return err
}

// Path returns where a file of the system is, for tests that read or write it.
func (s *System) Path(file string) string {
	return filepath.Join("/proc", strconv.Itoa(s.init), "root", file)
}

// Run runs a command there to its end, and returns all that it printed.
func (s *System) Run(t testing.TB, command ...string) string {
	t.Helper()
	out, err := s.Try(command...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Try is Run for a command that may go wrong.
func (s *System) Try(command ...string) (string, error) {
	in := []string{"--target", strconv.Itoa(s.init), "--all", "--root", "--wd"}
	return Try(Command{Program: "nsenter", Args: append(in, command...), Dir: "/root"})
}

// Journal returns what a unit has said, as one of ours: it is searched for
// secrets at the end of the run.
func (s *System) Journal(t testing.TB, unit string) string {
	t.Helper()
	text := s.Run(t, "journalctl", "--unit", unit, "--output", "cat", "--no-pager")
	Said(t, text)
	return text
}

// controlGroup makes a group for a systemd to have below itself what it
// likes, and nothing above.
func controlGroup(t testing.TB) string {
	t.Helper()
	mount := Dir(t)
	if out, err := exec.Command("mount", "-t", "cgroup2", "cgroup2", mount).CombinedOutput(); err != nil {
		t.Fatalf("mount cgroup2: %v: %s", err, out)
	}
	group, err := os.MkdirTemp(mount, "regate-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		Await(t, func() error { return removeGroups(group) }) // once those in there have ended
		_ = syscall.Unmount(mount, syscall.MNT_DETACH)
	})
	return group
}

// removeGroups removes groups from below.
func removeGroups(top string) error {
	var groups []string
	err := filepath.WalkDir(top, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			groups = append(groups, path)
		}
		return err
	})
	for i := len(groups) - 1; err == nil && i >= 0; i-- {
		err = os.Remove(groups[i])
	}
	return err
}

// MainPID returns the process of a service, by its number there; 0 is none.
func (s *System) MainPID(t testing.TB, unit string) string {
	t.Helper()
	return strings.TrimSpace(s.Run(t, "systemctl", "show", "--property", "MainPID", "--value", unit))
}
