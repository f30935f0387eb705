//go:build clients

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
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
		if said, _ := os.ReadFile(b.log); t.Failed() {
			t.Logf("end of the gate's log:\n%s", said[max(0, len(said)-16<<10):])
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
// they were given but the login itself ends between two rounds. Then their
// account is told to end.
func TestADayOfRounds(t *testing.T) {
	if !inside(t) {
		return
	}
	b := startBed(t)
	all := b.logIn(t)
	for n := range rounds {
		began := time.Now()
		for _, c := range all {
			if err := b.round(c, n); err != nil {
				t.Fatalf("round %d, %s: %v", n, c.name, err)
			}
		}
		t.Logf("round %d: %v", n, time.Since(began).Round(time.Millisecond))
		b.clock.forward(time.Hour)
	}
	b.testLogins(t, all)
	b.testRevoked(t, all)
	b.testNoSecrets(t, all)
}

func (b *bed) round(c login, n int) error {
	return errors.Join(c.push(b.ref(c.name, n)), c.pull(b.ref(c.name, n)))
}

// A login is a client with what it has kept, or is given, of its only login.
type login struct {
	name string
	roundClient
	secret  string
	refused string // what it prints when that is no longer good
}

// logIn has all clients log in: docker and podman as people do, and others with
// the identity token that docker has got.
func (b *bed) logIn(t *testing.T) []login {
	t.Helper()
	docker, byPassword, byToken := newDocker(t, b.host, b.ca), newPodman(t, "podman", b.ca), newPodman(t, "podman-token", b.ca)
	if _, err := docker.run(ownerWord, "login", "--username", "alice", "--password-stdin", b.host); err != nil {
		t.Fatal(err)
	}
	if _, err := byPassword.run(ownerWord, "login", "--cert-dir", byPassword.certs, "--username", "alice", "--password-stdin", b.host); err != nil {
		t.Fatal(err)
	}
	token := docker.identityToken(t, b.host)
	if err := os.CopyFS(byToken.home, os.DirFS(filepath.Dir(docker.config))); err != nil {
		t.Fatal(err)
	}
	seed := b.ref("seed", 0)
	if err := docker.push(seed); err != nil {
		t.Fatal(err)
	}
	engine, hosts := startContainerd(t, b.host, b.caFile)
	return []login{
		{"docker", docker, token, "unauthorized: "},
		{"podman-token", byToken, token, "unauthorized: "},
		{"ctr-refresh", &ctr{engine, append(hosts, "--refresh", token), seed}, token, "401 Unauthorized"},
		{"podman", byPassword, ownerWord, "unauthorized: "},
		{"ctr", &ctr{engine, append(hosts, "--user", "alice:"+ownerWord), seed}, ownerWord, "401 Unauthorized"},
	}
}

// testLogins: docker has worked by its only login, without the password.
func (b *bed) testLogins(t *testing.T, all []login) {
	t.Helper()
	if got := all[0].roundClient.(*dockerCLI).identityToken(t, b.host); got != all[0].secret {
		t.Error("docker has another identity token than it had")
	}
}

// testRevoked: what was given to alice is refused when that is asked for. Then
// her account is taken away, and so is what the password was good for.
func (b *bed) testRevoked(t *testing.T, all []login) {
	if code, _, stderr := called(t, "", "revoke", "-c", b.config, "--subject", "alice"); code != 0 {
		t.Fatalf("regate revoke: %d %s", code, stderr)
	}
	for _, c := range all {
		if c.secret != ownerWord {
			b.testRefused(t, c)
		}
	}
	// Whoever knows the password can still log in, as the answer says.
	text, err := os.ReadFile(b.config)
	if err != nil {
		t.Fatal(err)
	}
	put(t, b.config, strings.Replace(string(text), `"alice": {`, `"bob": {`, 1))
	if code, _, stderr := called(t, "", "reload", "-c", b.config); code != 0 {
		t.Fatalf("regate reload: %d %s", code, stderr)
	}
	for _, c := range all {
		b.testRefused(t, c)
	}
}

func (b *bed) testRefused(t *testing.T, c login) {
	t.Helper()
	if err := c.pull(b.ref(c.name, 0)); err == nil || !strings.Contains(err.Error(), c.refused) {
		t.Errorf("%s without a login says %v, want %q in it", c.name, err, c.refused)
	}
}

// forbidden is what stands in no log, whoever it is of.
var forbidden = regexp.MustCompile(`eyJ[\w-]{32,}|rgt_\w{14}_\w{49}`)

// testNoSecrets: nothing of what the clients have shown, or were given, stands
// in the log.
func (b *bed) testNoSecrets(t *testing.T, all []login) {
	said, err := os.ReadFile(b.log)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if strings.Contains(string(said), c.secret) {
			t.Errorf("the log has what %s has shown", c.name)
		}
	}
	if secret := forbidden.Find(said); secret != nil {
		t.Errorf("the log has %s", secret)
	}
}
