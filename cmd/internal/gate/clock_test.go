package gate

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// A clock goes with that of the system, and is put forward.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) forward(d time.Duration) { c.ahead.Add(int64(d)) }

// startAt is start with a clock of the test's own.
func startAt(t *testing.T, config string, c *clock) *running {
	t.Helper()
	return startAs(t, config, func(ctx context.Context, o Options) error {
		o.Now = c.now
		return Serve(ctx, o)
	})
}

// TestClock: what a gate gives out and what it remembers ends by the clock that
// it was given, and TLS by that of everybody else.
func TestClock(t *testing.T) {
	t.Parallel()
	c := new(clock)
	g := startAt(t, config(t, registry(t, "main").URL, ""), c)
	pull := func(tok string) int {
		status, _, _ := g.get("https", "/v2/a/manifests/1", "Authorization", "Bearer "+tok)
		return status
	}
	tok := g.token("repository:a:pull")
	for _, step := range []struct {
		forward time.Duration
		want    int
	}{{0, http.StatusOK}, {time.Hour, http.StatusUnauthorized}, {23 * time.Hour, http.StatusUnauthorized}} {
		c.forward(step.forward)
		if got := pull(tok); got != step.want {
			t.Errorf("%v later: %d, want %d", step.forward, got, step.want)
		}
		if got := pull(g.token("repository:a:pull")); got != http.StatusOK {
			t.Errorf("%v later, with a new token: %d", step.forward, got)
		}
	}
}

// TestClockOfKeys: a gate that begins two days later signs with another key.
func TestClockOfKeys(t *testing.T) {
	t.Parallel()
	c, path := new(clock), config(t, registry(t, "main").URL, "")
	g := startAt(t, path, c)
	before := keyIDs(g)
	g.stop()
	g.ends()
	c.forward(48 * time.Hour)
	if after := keyIDs(startAt(t, path, c)); slices.Equal(before, after) {
		t.Errorf("the keys are %q after two days, as before", after)
	}
}

// keyIDs are those of the keys that tokens may be signed with.
func keyIDs(g *running) (ids []string) {
	g.t.Helper()
	_, body, _ := g.get("https", "/.well-known/jwks.json")
	var set struct{ Keys []struct{ Kid string } }
	if err := json.Unmarshal([]byte(body), &set); err != nil || len(set.Keys) == 0 {
		g.t.Fatalf("no keys in %q (%v)", body, err)
	}
	for _, k := range set.Keys {
		ids = append(ids, k.Kid)
	}
	return ids
}
