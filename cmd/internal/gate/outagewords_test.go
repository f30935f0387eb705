//go:build redis

package gate

import (
	"strings"
	"testing"
)

// TestWordsWhileRedisIsAway are the same from a gate as without one: what is wrong,
// once, in one line.
func TestWordsWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	g := f.start()
	f.redis.Kill()
	for name, ask := range map[string]func() error{
		"list":   func() error { _, err := g.control().Tokens(t.Context(), TokenQuery{}); return err },
		"revoke": func() error { _, err := g.control().Revoke(t.Context(), Revocation{Family: "x"}); return err },
	} {
		err := ask()
		if err == nil || strings.Count(err.Error(), "the state cannot be asked: ") != 1 || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
		if g.logged("the state cannot be asked: ") && g.logged("connection refused: ") {
			t.Errorf("%s: the log has the error twice", name)
		}
	}
	if text := g.readyz(); !strings.Contains(text, "state: away for ") {
		t.Errorf("at once after that it says %s", text)
	}
}

// TestFullRedis is no Redis that is away, and is read.
func TestFullRedis(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	g := f.start()
	f.redis.Do(t, "CONFIG", "SET", "maxmemory", "1")
	_, err := g.control().Revoke(t.Context(), Revocation{Token: "x"})
	if err == nil || !strings.Contains(err.Error(), "the state does not do what it is asked: put revoked/jti/x: OOM command not allowed") ||
		strings.Contains(err.Error(), "user_script") {
		t.Errorf("revoke: %v", err)
	}
	if text := g.readyz(); !strings.Contains(text, "state: answers, and does not do") || !strings.Contains(text, "raise its maxmemory") {
		t.Errorf("it says %s", text)
	}
	if _, err := g.control().Tokens(t.Context(), TokenQuery{}); err != nil {
		t.Errorf("list: %v", err)
	}
	if !g.logged("state answers, and does not do what it is asked") {
		t.Error("nothing is logged")
	}
	f.redis.Do(t, "CONFIG", "SET", "maxmemory", "0")
	g.until("it is over", func() bool { return !strings.Contains(g.readyz(), "state: ") })
}

// readyz is what it says of the state and the hosts.
func (g *running) readyz() string {
	g.t.Helper()
	_, text, _ := g.get("admin", "/readyz?verbose")
	return text
}
