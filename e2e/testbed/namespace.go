// Package testbed starts the real things that the end-to-end tests need: the
// built gate, registries of both generations, the engines of docker and
// containerd, a certificate authority, and for ACME pebble, step-ca and BIND.
//
// In goes a testing.TB, out come running processes with an address; they end
// when the test does. It imports nothing of the gate: binaries are run, files
// are read, and that is all. It asserts nothing, either; tests do.
//
// Lifetime: Main puts a whole test binary into namespaces of its own;
// everything else lives as long as the test that asked for it.
package testbed

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// Host is the name under which every gate is reached, at a port of its own.
// It resolves to a private address and not to a loopback one, because docker
// takes 127.0.0.0/8, and lately ::1, for places where certificates need no
// check: a test there would prove nothing.
const Host = "gate.test"

// MirrorHost is another name of every gate, for those that have it stand for a
// registry of somebody else.
const MirrorHost = "hub." + Host

// Address is that private one.
const Address = "10.77.0.1"

// envDir names the folder of a run; its presence means "already inside". There
// it is mounted under a short and constant path.
const (
	envDir = "REGATE_E2E_DIR"
	mounts = "/run/e2e"
)

// Main runs the tests inside fresh mount, network and process namespaces, and
// never returns. So the tests may have a host name, an /etc/docker and ports of
// their own on any machine, and whatever they start is gone when they are,
// even after a crash. The run fails if a gate has said one of the secrets, or
// one of those that the testbed has made or carried.
func Main(m *testing.M, secrets ...string) {
	if os.Getenv(envDir) == "" {
		os.Exit(enter())
	}
	if err := furnish(os.Getenv(envDir)); err != nil {
		fmt.Fprintln(os.Stderr, "testbed:", err)
		os.Exit(1)
	}
	Secret(secrets...)
	Secret(slapdPassword, EABHMACKey)
	Secret(jwts...)
	status := m.Run()
	run.search(os.TempDir())
	os.Exit(run.verdict(status))
}

// enter runs this binary again inside the namespaces and returns its status.
func enter() int {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "testbed: the end-to-end tests need root, for dockerd and namespaces: run them so, or by go test -exec 'sudo -E'")
		return 1
	}
	dir, err := os.MkdirTemp("", "regate-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "testbed:", err)
		return 1
	}
	defer os.RemoveAll(dir) // only now are all mounts below it gone

	// An interrupt reaches the child as well; wait for it, then clean up.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt, syscall.SIGTERM)
	runtime.LockOSThread() // Pdeathsig watches the thread, not the process

	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), envDir+"="+dir, "TMPDIR="+mounts)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := cmd.Run(); err != nil {
		if cmd.ProcessState != nil {
			return max(cmd.ProcessState.ExitCode(), 1)
		}
		fmt.Fprintln(os.Stderr, "testbed: enter namespaces:", err)
		return 1
	}
	return 0
}

// furnish makes the namespaces a place to work in. The empty folders hide what
// the machine's own engines keep there, and our traces from them.
func furnish(dir string) error {
	hosts := filepath.Join(dir, "hosts")
	lines := "127.0.0.1 localhost\n::1 localhost\n" + Address + " " + Host + " " + MirrorHost + "\n"
	if err := os.WriteFile(hosts, []byte(lines), 0o644); err != nil {
		return err
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := syscall.Mount(hosts, "/etc/hosts", "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind /etc/hosts: %w", err)
	}
	for _, path := range []string{"/etc/docker", "/run", "/var/lib/containers"} {
		if err := mountEmpty(path); err != nil {
			return err
		}
	}
	if err := os.Mkdir(mounts, 0o755); err != nil {
		return err
	}
	if err := syscall.Mount(dir, mounts, "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s: %w", mounts, err)
	}
	return network()
}

func mountEmpty(path string) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	if err := syscall.Mount("tmpfs", path, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount %s: %w", path, err)
	}
	return nil
}

func network() error {
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"addr", "add", Address + "/24", "dev", "lo"},
	} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %v: %w: %s", args, err, out)
		}
	}
	return nil
}
