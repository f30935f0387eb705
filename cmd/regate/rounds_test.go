//go:build clients

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/password"
	"github.com/regate/regate/cmd/internal/gate"
)

const (
	rounds    = 24
	ownerWord = "correct-horse-battery-staple" // of alice, who is told to nobody else
)

// A clock goes with that of the system, and is put forward.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) forward(d time.Duration) { c.ahead.Add(int64(d)) }

// A bed is a gate in this process with a clock of the test's own, and what
// clients need to know of it.
type bed struct {
	clock  clock
	config string // path
	log    string // path
	host   string // HOST:PORT
	caFile string
	ca     string
}

// startBed runs a gate until the test is over.
func startBed(t *testing.T) *bed {
	t.Helper()
	hash, err := password.Hash(ownerWord, 4)
	if err != nil {
		t.Fatal(err)
	}
	dir := folder(t, "gate")
	b := &bed{config: filepath.Join(dir, "regate.yaml"), log: filepath.Join(dir, "log")}
	put(t, b.config, fmt.Sprintf(`
listen: {https: "%s:0", grace: 0s}
tls: {hosts: [%[1]s], mode: internal}
registries: {main: {upstreams: [%q]}}
auth:
  users: {"alice": {password: %q}}
  acl: [{match: {account: "alice"}, actions: ["*"]}]
state: {path: %q}
log: {level: debug, format: json}
`, privateIP, startStore(t), hash, filepath.Join(dir, "state")))
	b.serve(t)
	return b
}

func (b *bed) serve(t *testing.T) {
	t.Helper()
	log, err := os.Create(b.log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ready, done := make(chan gate.Facts, 1), make(chan error, 1)
	go func() {
		done <- gate.Serve(ctx, gate.Options{Path: b.config, Version: "test", Log: log, Ready: func(f gate.Facts) { ready <- f }, Now: b.clock.now})
		_ = log.Close()
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("the gate has ended with %v", err)
		}
	})
	select {
	case f := <-ready:
		ca, err := os.ReadFile(f.CAFile)
		if err != nil {
			t.Fatal(err)
		}
		b.host, b.caFile, b.ca = f.Addrs["https"], f.CAFile, string(ca)
	case err := <-done:
		done <- err
		t.Fatalf("the gate does not start: %v", err)
	}
}

func (b *bed) ref(repo string, n int) string { return fmt.Sprintf("%s/%s:%d", b.host, repo, n) }

// TestADayOfRounds: real clients log in once and work for a day, while all that
// they were given but the login itself ends between two rounds.
func TestADayOfRounds(t *testing.T) {
	if !inside(t) {
		return
	}
	b := startBed(t)
	all := b.clients(t)
	for n := range rounds {
		began := time.Now()
		for name, c := range all {
			if err := c.push(b.ref(name, n)); err != nil {
				t.Errorf("round %d: %v", n, err)
			}
			if err := c.pull(b.ref(name, n)); err != nil {
				t.Errorf("round %d: %v", n, err)
			}
		}
		if t.Failed() {
			b.showLog(t)
			return
		}
		t.Logf("round %d: %v", n, time.Since(began).Round(time.Millisecond))
		b.clock.forward(time.Hour)
	}
	b.testNoSecrets(t, all)
}

func (b *bed) showLog(t *testing.T) {
	said, _ := os.ReadFile(b.log)
	t.Logf("end of the gate's log:\n%s", said[max(0, len(said)-16<<10):])
}

// clients have logged in, each in its own way.
func (b *bed) clients(t *testing.T) map[string]roundClient {
	t.Helper()
	docker := newDocker(t, b.host, b.ca)
	if _, err := docker.run(ownerWord, "login", "--username", "alice", "--password-stdin", b.host); err != nil {
		t.Fatal(err)
	}
	if err := docker.push(b.ref("seed", 0)); err != nil {
		t.Fatal(err)
	}
	byPassword := newPodman(t, "podman", b.ca)
	if _, err := byPassword.run(ownerWord, "login", "--cert-dir", byPassword.certs, "--username", "alice", "--password-stdin", b.host); err != nil {
		t.Fatal(err)
	}
	engine, options := startContainerd(t, b.host, b.caFile)
	return map[string]roundClient{
		"docker": docker,
		"podman": byPassword,
		"ctr":    &ctr{engine, slices.Concat(options, []string{"--user", "alice:" + ownerWord}), b.ref("seed", 0)},
	}
}

// testNoSecrets: nothing of what the clients have shown stands in the log.
func (b *bed) testNoSecrets(t *testing.T, _ map[string]roundClient) {
	said, err := os.ReadFile(b.log)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{ownerWord} {
		if strings.Contains(string(said), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}
