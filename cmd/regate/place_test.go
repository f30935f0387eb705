//go:build clients

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	insideVar = "RUNS_INSIDE"    // the test is in namespaces of its own
	place     = "/run/regate"    // what it and the engines write, gone with the namespaces
	privateIP = "10.77.0.1"      // of the gate: docker checks no certificate of 127.0.0.0/8
	patience  = 30 * time.Second // for a server to come up
	command   = 2 * time.Minute  // for a client to end
)

// furniture gives the namespaces an address, and hides what the engines of the
// machine keep, and what these ones do from them.
const furniture = `set -e
mkdir -p /etc/docker /var/lib/containers
for d in /etc/docker /run /var/lib/containers; do mount -t tmpfs -o mode=755 none $d; done
mkdir ` + place + `
ip link set lo up
ip addr add ` + privateIP + `/24 dev lo`

// inside runs the test again in namespaces of its own, which end with it and
// take whatever it has started along. It returns true there, and false when
// that is over.
func inside(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideVar) != "" {
		if out, err := exec.CommandContext(t.Context(), "sh", "-c", furniture).CombinedOutput(); err != nil {
			t.Fatalf("furnish the namespaces: %v: %s", err, out)
		}
		return true
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
		self, "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=20m")
	cmd.Env = append(os.Environ(), insideVar+"=1")
	out, err := cmd.CombinedOutput()
	t.Logf("in namespaces of its own, for which it has to be root:\n%s", out)
	if err != nil {
		t.Error(err)
	}
	return false
}

// environ is what a client sees of the environment: the programs that
// e2e/install.sh has installed, and nothing of whoever runs the test.
func environ(home string, more ...string) []string {
	return append(more, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME="+home, "TMPDIR="+home, "XDG_RUNTIME_DIR="+home, "LC_ALL=C.UTF-8")
}

// folder makes one that needs no cleaning up, which engines would be in the way of.
func folder(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(place, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// startServer runs a program until the test is over, and waits for it.
func startServer(t *testing.T, home string, ready func() error, program string, args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(home, "server.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = environ(home, "OTEL_TRACES_EXPORTER=none"), log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if said, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("end of %s:\n%s", program, said[max(0, len(said)-4<<10):])
		}
	})
	for deadline := time.Now().Add(patience); ; {
		err := ready()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not there after %v: %v", program, patience, err)
		}
		time.Sleep(20 * time.Millisecond) // between two looks
	}
}

// startStore starts a registry that trusts its network, and returns its URL.
func startStore(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr, dir := l.Addr().String(), folder(t, "registry")
	_ = l.Close() // for the registry to listen there
	config := filepath.Join(dir, "config.yml")
	put(t, config, fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: %s}\n", dir, addr))
	dial := func() error {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err
	}
	startServer(t, dir, dial, "docker-registry", "serve", config)
	return "http://" + addr
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A program is a client with what it always gets.
type program struct {
	name      string
	args, env []string
}

// run returns what the program printed, also within the error.
func (p program) run(input string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), command)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/usr/bin/"+p.name, append(p.args[:len(p.args):len(p.args)], args...)...)
	cmd.Env, cmd.Stdin = p.env, strings.NewReader(input)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", p.name, strings.Join(args, " "), err, out.String())
	}
	return out.String(), nil
}

// steps runs commands up to the first that goes wrong.
func (p program) steps(commands ...[]string) error {
	for _, args := range commands {
		if _, err := p.run("", args...); err != nil {
			return err
		}
	}
	return nil
}
