//go:build redis

package redis

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

// A server is a real redis-server, or a Sentinel, on a port that was free.
type server struct {
	dir  string
	addr string
	args []string
	cmd  *exec.Cmd
}

// startServer starts redis-server with an append-only file and what args say.
func startServer(t testing.TB, args ...string) *server {
	t.Helper()
	s := &server{dir: t.TempDir(), addr: freeAddr(t)}
	_, port, _ := net.SplitHostPort(s.addr)
	s.args = append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "yes",
		"--cluster-port", freePort(t), "--repl-diskless-sync-delay", "0"}, args...)
	s.start(t)
	t.Cleanup(func() { s.kill() })
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

func freePort(t testing.TB) string {
	_, port, _ := net.SplitHostPort(freeAddr(t))
	return port
}

func (s *server) start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s.cmd = exec.Command("redis-server", s.args...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.dir, log, log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	soon(t, "redis-server listens", func() error {
		c, err := net.Dial("tcp", s.addr)
		if err == nil {
			err = c.Close()
		}
		return err
	})
}

// kill ends the process as kill -9 does.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// soon calls f until it succeeds, for 30 seconds at most.
func soon(t testing.TB, what string, f func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
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

func (s *server) config() Config { return Config{Addrs: []string{s.addr}} }

// cli is what somebody else does to the server.
func (s *server) cli(t testing.TB) *redis.Client {
	t.Helper()
	db := redis.NewClient(&redis.Options{Addr: s.addr, Protocol: 2})
	t.Cleanup(func() { _ = db.Close() })
	return db
}

var opened atomic.Int64

// openNew opens a Store that is empty because no other has its prefix.
func openNew(t testing.TB, cfg Config) *Store {
	t.Helper()
	return openAs(t, cfg, "t"+strconv.FormatInt(opened.Add(1), 10), nil)
}

func openAs(t testing.TB, cfg Config, prefix string, log *zap.Logger) *Store {
	t.Helper()
	s, err := open(context.Background(), cfg, prefix, log)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	if err := s.link.trouble(); err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// startSentinels starts a master, a replica and three Sentinels that agree.
func startSentinels(t testing.TB) (master *server, cfg Config) {
	t.Helper()
	master = startServer(t)
	host, port, _ := strings.Cut(master.addr, ":")
	startServer(t, "--replicaof", host+" "+port)
	cfg.MasterName = "gates"
	for range 3 {
		cfg.Addrs = append(cfg.Addrs, startSentinel(t, host, port).addr)
	}
	for _, addr := range cfg.Addrs {
		awaitSentinel(t, addr)
	}
	return master, cfg
}

func startSentinel(t testing.TB, host, port string) *server {
	t.Helper()
	s := &server{dir: t.TempDir(), addr: freeAddr(t)}
	_, own, _ := net.SplitHostPort(s.addr)
	file := filepath.Join(s.dir, "sentinel.conf")
	text := fmt.Sprintf("port %s\nbind 127.0.0.1\nsentinel monitor gates %s %s 2\n"+
		"sentinel down-after-milliseconds gates 1000\nsentinel failover-timeout gates 3000\n", own, host, port)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.args = []string{file, "--sentinel"}
	s.start(t)
	t.Cleanup(func() { s.kill() })
	return s
}

// awaitSentinel waits until one knows the other two, and the replica.
func awaitSentinel(t testing.TB, addr string) {
	t.Helper()
	db := redis.NewSentinelClient(&redis.Options{Addr: addr, Protocol: 2})
	defer db.Close()
	soon(t, "the Sentinels know each other", func() error {
		m, err := db.Master(context.Background(), "gates").Result()
		if err == nil && (m["num-other-sentinels"] != "2" || m["num-slaves"] != "1") {
			err = fmt.Errorf("%s other Sentinels, %s replicas", m["num-other-sentinels"], m["num-slaves"])
		}
		return err
	})
}

// startCluster starts three masters that share the slots.
func startCluster(t testing.TB) Config {
	t.Helper()
	cfg := Config{Cluster: true}
	for range 3 {
		cfg.Addrs = append(cfg.Addrs, startServer(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000").addr)
	}
	args := append([]string{"--cluster", "create"}, append(cfg.Addrs, "--cluster-yes")...)
	if out, err := exec.Command("redis-cli", args...).CombinedOutput(); err != nil {
		t.Fatalf("redis-cli %v: %v\n%s", args, err, out)
	}
	for _, addr := range cfg.Addrs {
		db := redis.NewClient(&redis.Options{Addr: addr, Protocol: 2})
		defer db.Close()
		soon(t, "the Cluster is whole", func() error {
			info, err := db.ClusterInfo(context.Background()).Result()
			if err == nil && !strings.Contains(info, "cluster_state:ok") {
				err = fmt.Errorf("%s", info)
			}
			return err
		})
	}
	return cfg
}
