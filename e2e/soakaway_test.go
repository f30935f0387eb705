//go:build soak

package e2e

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/regate/regate/e2e/testbed"
)

// TestSoakWithoutRedis takes Redis away from a fleet for MINUTES. Pulls, pushes
// and logins with a password go on as if nothing was, each of them; a revocation
// fails and says so. When Redis is back, so is everything.
func TestSoakWithoutRedis(t *testing.T) {
	duration := soakTime(t)
	f, _ := startWithStore(t, false)
	c := &chaos{fleet: f, traffic: newTraffic(), lives: make([][]vitals, len(f.gates))}
	stop := make(chan struct{})
	var all sync.WaitGroup
	for i := range chaosClients {
		p := newPusher(f, c.traffic, 0, i)
		all.Go(func() { p.work(t, stop) })
	}
	f.goOn(t, c.traffic)
	f.redis.Kill()
	c.watch(t, duration)
	if err := f.revokes(t); err == nil {
		t.Error("something was revoked that nobody can write down")
	}
	f.redis.Launch(t)
	for i := range f.gates {
		eventually(t, fmt.Sprintf("Redis at gate %d", i), func() bool { return f.hasState(t, i) })
	}
	if err := f.revokes(t); err != nil {
		t.Error(err)
	}
	f.goOn(t, c.traffic)
	close(stop)
	all.Wait()
	t.Log(c.traffic)
	if len(c.failures) > 0 {
		t.Errorf("requests failed: %v", c.failures)
	}
	c.verify(t)
	compareVitals(t, c.grown)
}

// goOn waits until clients have pushed and pulled some more.
func (f *fleet) goOn(t *testing.T, l *traffic) {
	t.Helper()
	done := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return min(len(l.acknowledged), l.pulls)
	}
	want := done() + 2*chaosClients
	eventually(t, "pushes and pulls", func() bool { return done() >= want })
}

// watch looks at the gates each second while nobody does anything to them.
func (c *chaos) watch(t *testing.T, duration time.Duration) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for began := time.Now(); time.Since(began) < duration && !t.Failed(); <-tick.C {
		c.look()
		for i := range c.gates {
			if c.hasState(t, i) && time.Since(began) > time.Minute { // it has looked since
				t.Errorf("gate %d says that Redis is there", i)
			}
		}
		if int(time.Since(began).Seconds())%30 == 0 {
			t.Logf("%v without Redis: %v", time.Since(began).Round(time.Second), c.traffic)
		}
	}
}

// hasState reports whether a gate says that Redis can be asked.
func (f *fleet) hasState(t *testing.T, gate int) bool {
	t.Helper()
	return (&site{gate: f.gates[gate]}).metrics(t)["regate_state_up"] == 1
}

// revokes ends all tokens of somebody who has none.
func (f *fleet) revokes(t *testing.T) error {
	t.Helper()
	_, err := testbed.Try(testbed.Command{
		Program: "regate", Args: []string{"revoke", "-c", f.gates[0].File, "--subject", "nobody"}, Dir: testbed.Dir(t),
	})
	return err
}
