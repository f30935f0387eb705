//go:build redis

package redis

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/regate/regate/internal/state/redis/redistest"
)

// config is that of a gate at a server.
func config(s *redistest.Server) Config { return Config{Addrs: []string{s.Addr}} }

// cli is what somebody else does to the server.
func cli(t testing.TB, s *redistest.Server) *redis.Client {
	t.Helper()
	db := redis.NewClient(&redis.Options{Addr: s.Addr, Protocol: 2})
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
func startSentinels(t testing.TB) (master *redistest.Server, cfg Config) {
	t.Helper()
	master = redistest.Start(t, "--repl-diskless-sync-delay", "0")
	redistest.Start(t, "--replicaof", strings.ReplaceAll(master.Addr, ":", " "))
	cfg.MasterName = "gates"
	for range 3 {
		cfg.Addrs = append(cfg.Addrs, redistest.StartSentinel(t, cfg.MasterName, master.Addr).Addr)
	}
	for _, addr := range cfg.Addrs {
		awaitSentinel(t, addr)
	}
	return master, cfg
}

// awaitSentinel waits until one knows the other two, and the replica.
func awaitSentinel(t testing.TB, addr string) {
	t.Helper()
	db := redis.NewSentinelClient(&redis.Options{Addr: addr, Protocol: 2})
	defer db.Close()
	redistest.Soon(t, "the Sentinels know each other", func() error {
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
		cfg.Addrs = append(cfg.Addrs, redistest.StartNode(t).Addr)
	}
	args := append([]string{"--cluster", "create"}, append(cfg.Addrs, "--cluster-yes")...)
	if out, err := exec.Command("redis-cli", args...).CombinedOutput(); err != nil {
		t.Fatalf("redis-cli %v: %v\n%s", args, err, out)
	}
	for _, addr := range cfg.Addrs {
		db := redis.NewClient(&redis.Options{Addr: addr, Protocol: 2})
		defer db.Close()
		redistest.Soon(t, "the Cluster is whole", func() error {
			info, err := db.ClusterInfo(context.Background()).Result()
			if err == nil && !strings.Contains(info, "cluster_state:ok") {
				err = fmt.Errorf("%s", info)
			}
			return err
		})
	}
	return cfg
}
