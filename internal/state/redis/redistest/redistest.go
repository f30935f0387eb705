// Package redistest starts real Redis servers, for tests that are built with
// the tag redis. Out comes the address of one that listens; it ends with the
// test. It knows nothing of what is kept there.
package redistest

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience bounds every wait.
const patience = 30 * time.Second

// A Server is a redis-server on a port that was free.
type Server struct {
	Addr string
	Dir  string
	Args []string // of the next Start
	cmd  *exec.Cmd
}

// Start starts redis-server with an append-only file and what args say.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s := &Server{Dir: t.TempDir(), Addr: freeAddr(t)}
	_, port, _ := net.SplitHostPort(s.Addr)
	s.Args = append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", s.Dir, "--save", "", "--appendonly", "yes"}, args...)
	s.Start(t)
	t.Cleanup(s.Kill)
	return s
}

// StartNode starts one that is to be in a Cluster.
func StartNode(t testing.TB) *Server {
	t.Helper()
	_, bus, _ := net.SplitHostPort(freeAddr(t))
	return Start(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", bus)
}

// StartTLS starts one that speaks TLS alone, to whoever has a certificate of
// the same file.
func StartTLS(t testing.TB, cert, key string) *Server {
	t.Helper()
	s := &Server{Dir: t.TempDir(), Addr: freeAddr(t)}
	_, port, _ := net.SplitHostPort(s.Addr)
	s.Args = []string{"--port", "0", "--tls-port", port, "--bind", "127.0.0.1", "--dir", s.Dir, "--appendonly", "yes",
		"--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert}
	s.Start(t)
	t.Cleanup(s.Kill)
	return s
}

// StartSentinel starts a Sentinel that watches a master under a name. A master
// that does not answer for a second is down; two of them must say so.
func StartSentinel(t testing.TB, name, master string) *Server {
	t.Helper()
	s := &Server{Dir: t.TempDir(), Addr: freeAddr(t)}
	_, port, _ := net.SplitHostPort(s.Addr)
	conf := filepath.Join(s.Dir, "sentinel.conf")
	text := "port " + port + "\nbind 127.0.0.1\nsentinel monitor " + name + " " + strings.ReplaceAll(master, ":", " ") + " 2\n" +
		"sentinel down-after-milliseconds " + name + " 1000\nsentinel failover-timeout " + name + " 3000\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Args = []string{conf, "--sentinel"}
	s.Start(t)
	t.Cleanup(s.Kill)
	return s
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Start starts the server again where it was.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(s.Dir, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s.cmd = exec.Command("redis-server", s.Args...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.Dir, log, log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	Soon(t, "redis-server listens", func() error {
		c, err := net.Dial("tcp", s.Addr)
		if err == nil {
			err = c.Close()
		}
		return err
	})
}

// Kill ends the process as kill -9 does.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// Do gives a command with redis-cli, and returns what that prints.
func (s *Server) Do(t testing.TB, args ...string) string {
	t.Helper()
	host, port, _ := net.SplitHostPort(s.Addr)
	out, err := exec.CommandContext(t.Context(), "redis-cli", append([]string{"-h", host, "-p", port}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("redis-cli %q: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// Soon calls f until it succeeds.
func Soon(t testing.TB, what string, f func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		}
	}
}
