//go:build soak

package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/regate/regate/e2e/testbed"
)

const (
	chaosClients = 8
	chaosUp      = 30 * time.Second        // how long a process lives, on average
	chaosDown    = 1500 * time.Millisecond // how long it is away then, on average
	chaosTick    = 20 * time.Millisecond
	chaosReport  = 10 * time.Second

	chaosYouth = 20  // looks at a gate that still grows
	chaosLong  = 120 // looks at one that has lived for long enough to be compared with itself
)

// TestSoakFleet kills any process of a fleet without a word, at any time, for
// MINUTES: each of three gates, Redis, two registries and the balancer has a
// schedule of its own that follows from SEED, so that some are away together
// and some die while they start. Clients push and pull meanwhile, and know each
// byte that they are to get: no wrong one is served, and what was acknowledged
// is there, then and in the end.
func TestSoakFleet(t *testing.T) {
	seed, duration := soakSeed(t), soakTime(t)
	t.Logf("SEED=%d", seed)
	f, _ := startWithStore(t, false)
	c := &chaos{fleet: f, victims: f.victims(seed), traffic: newTraffic(), lives: make([][]vitals, len(f.gates))}
	stop := make(chan struct{})
	var all sync.WaitGroup
	for i := range chaosClients {
		p := newPusher(f, c.traffic, seed, i)
		all.Go(func() { p.work(t, stop) })
	}
	c.rage(t, duration)
	close(stop)
	all.Wait()
	t.Log(c)
	c.heal(t)
	c.verify(t)
	compareVitals(t, c.grown)
	if len(c.longest) >= chaosLong {
		compareVitals(t, c.longest)
	}
}

// soakSeed is SEED, or one that nobody has chosen.
func soakSeed(t testing.TB) uint64 {
	t.Helper()
	text := os.Getenv("SEED")
	if text == "" {
		return uint64(rand.Uint32())
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("SEED: %v", err)
	}
	return seed
}

// A chaos is a fleet, those who work on it, and what becomes of both.
type chaos struct {
	*fleet
	*traffic
	victims []*victim
	began   time.Time

	lives   [][]vitals // of each gate, since it was last started: a look each second
	longest []vitals   // the longest of all lives
	grown   []vitals   // all looks at gates that have grown up
}

// A victim is a process that is killed again and again.
type victim struct {
	name string
	*testbed.Process
	dice  *rand.Rand // by the seed alone, whatever else happens
	next  time.Time  // when it is killed, or started
	down  bool
	kills int
}

// victims are all processes of the fleet, the gates first.
func (f *fleet) victims(seed uint64) []*victim {
	var all []*victim
	add := func(name string, p *testbed.Process) {
		all = append(all, &victim{name: name, Process: p, dice: rand.New(rand.NewPCG(seed, uint64(len(all))))})
	}
	for i, g := range f.gates {
		add(fmt.Sprint("gate", i), g.Process)
	}
	add("redis", f.redis.Process)
	for i, r := range f.registries {
		add(fmt.Sprint("registry", i), r.Process)
	}
	add("haproxy", f.Balancer.Process)
	return all
}

// rage kills and starts until the time is over, or something has gone wrong.
func (c *chaos) rage(t *testing.T, duration time.Duration) {
	c.began = time.Now()
	for _, v := range c.victims {
		v.next = c.began.Add(v.about(chaosUp))
	}
	ticker := time.NewTicker(chaosTick)
	defer ticker.Stop()
	looked, told := c.began, c.began
	for now := c.began; now.Sub(c.began) < duration && !t.Failed(); now = <-ticker.C {
		for i, v := range c.victims {
			if !now.Before(v.next) {
				c.turn(t, i)
			}
		}
		if now.Sub(looked) >= time.Second {
			looked = now
			c.look()
		}
		if now.Sub(told) >= chaosReport {
			told = now
			t.Log(c)
		}
	}
}

// turn kills a process, or starts it again.
func (c *chaos) turn(t *testing.T, i int) {
	v := c.victims[i]
	if v.down {
		v.Restart(t)
		v.down, v.next = false, v.next.Add(v.about(chaosUp))
		return
	}
	select {
	case <-v.Done():
		t.Errorf("%s has ended by itself", v.name)
	default:
	}
	kill(t, v.Process)
	v.kills++
	v.down, v.next = true, v.next.Add(v.about(chaosDown))
	if i < len(c.lives) {
		c.bury(i)
	}
}

// about is a time that is as long on average, and of which nobody can say at any
// moment whether it will soon be over.
func (v *victim) about(mean time.Duration) time.Duration {
	return time.Duration(v.dice.ExpFloat64() * float64(mean))
}

// look notes how large the gates are that are there.
func (c *chaos) look() {
	for i, g := range c.gates {
		now, err := (&site{gate: g}).tryVitals()
		if err != nil {
			continue
		}
		c.lives[i] = append(c.lives[i], now)
		if len(c.lives[i]) > chaosYouth {
			c.grown = append(c.grown, now)
		}
	}
}

// bury ends the life of a gate.
func (c *chaos) bury(gate int) {
	if len(c.lives[gate]) > len(c.longest) {
		c.longest = c.lives[gate]
	}
	c.lives[gate] = nil
}

// heal has everything there again.
func (c *chaos) heal(t *testing.T) {
	t.Helper()
	for i := range c.lives {
		c.bury(i)
	}
	for _, v := range c.victims {
		if v.down {
			v.Restart(t)
			v.down = false
		}
	}
	for i := range c.gates {
		c.AwaitServer(t, fmt.Sprint("gate", i), "UP")
	}
	var urls []string
	for _, g := range c.gates {
		urls = append(urls, g.Admin+"/readyz")
	}
	for _, r := range c.registries {
		urls = append(urls, r.URL+"/v2/")
	}
	for _, url := range urls {
		eventually(t, url, func() bool {
			res, err := http.Get(url)
			if err == nil {
				_ = res.Body.Close()
			}
			return err == nil && res.StatusCode == http.StatusOK
		})
	}
}

// verify pulls all that was acknowledged.
func (c *chaos) verify(t *testing.T) {
	t.Helper()
	began := time.Now()
	work := make(chan push)
	var all sync.WaitGroup
	for i := range chaosClients {
		p := newPusher(c.fleet, newTraffic(), 0, i)
		all.Go(func() {
			for x := range work {
				if err := p.pull(x); err != nil {
					t.Errorf("%s was acknowledged, and is lost: %v", x, err)
				}
			}
		})
	}
	for _, x := range c.acknowledged {
		work <- x
	}
	close(work)
	all.Wait()
	t.Logf("all %d acknowledged pushes compared in %v", len(c.acknowledged), time.Since(began).Round(time.Second))
	if least := chaosClients * len(c.gates); len(c.acknowledged) < least {
		t.Errorf("only %d pushes in all, want %d at least", len(c.acknowledged), least)
	}
}

func (c *chaos) String() string {
	var kills []string
	for _, v := range c.victims {
		text := fmt.Sprint(v.name, " ", v.kills)
		if v.down {
			text += " (down)"
		}
		kills = append(kills, text)
	}
	return fmt.Sprintf("%v: %v; killed: %s", time.Since(c.began).Round(time.Second), c.traffic, strings.Join(kills, ", "))
}

// A traffic is what clients have done so far.
type traffic struct {
	mu           sync.Mutex // guards what follows
	acknowledged []push
	pulls        int
	failures     map[string]int // by what could not be done
}

func newTraffic() *traffic { return &traffic{failures: make(map[string]int)} }

func (l *traffic) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var failures []string
	for what, n := range l.failures {
		failures = append(failures, fmt.Sprint(what, " ", n))
	}
	slices.Sort(failures)
	return fmt.Sprintf("%d pushed, %d pulled, failed: %s", len(l.acknowledged), l.pulls, strings.Join(failures, ", "))
}

// one returns something that was acknowledged, unless there is nothing yet.
func (l *traffic) one(dice *rand.Rand) (push, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.acknowledged) == 0 {
		return push{}, false
	}
	return l.acknowledged[dice.IntN(len(l.acknowledged))], true
}
