package e2e

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/regate/regate/e2e/client"
	"github.com/regate/regate/e2e/testbed"
)

// Twenty clients each. What docker keeps of a login is a refresh token, which
// is good for nothing while the state is away.
var (
	withDocker = map[string]int{"crane": 13, "regctl": 3, "skopeo": 2, "podman": 1, "docker": 1}
	noDocker   = map[string]int{"crane": 14, "regctl": 3, "skopeo": 2, "podman": 1}
)

// A crowd is twenty clients, each of which pushes, and pulls what it has pushed, until they are told
// to stop.
type crowd struct {
	*fleet
	tries int // of each command

	done    atomic.Int64 // commands that went well
	failed  atomic.Int64 // that did not the first time
	stop    chan struct{}
	clients sync.WaitGroup

	mu     sync.Mutex        // guards pushed
	pushed map[string]string // reference → digest, of what was acknowledged
}

// startCrowd starts one, each of whose commands may be tried so often.
func (f *fleet) startCrowd(t *testing.T, who map[string]int, tries int) *crowd {
	t.Helper()
	l := &crowd{fleet: f, tries: tries, stop: make(chan struct{}), pushed: make(map[string]string)}
	for name, n := range who {
		for i := range n {
			c := f.client(t, name)
			if err := c.Login("admin", adminPassword); err != nil {
				t.Fatal(err)
			}
			l.clients.Go(func() { l.work(t, c, fmt.Sprintf("team/%s%d", name, i)) })
		}
	}
	return l
}

// work pushes and pulls until it is told to stop, or a command goes wrong too
// often.
func (l *crowd) work(t *testing.T, c client.Client, repo string) {
	for n := 0; !l.isOver() && !t.Failed(); n++ {
		tag := fmt.Sprint("v", n)
		digest, err := l.try(t, func() (string, error) { return c.Push(repo, tag) })
		if err != nil {
			t.Errorf("push of %s:%s: %v", repo, tag, err)
			return
		}
		l.mu.Lock()
		l.pushed[repo+":"+tag] = digest
		l.mu.Unlock()
		got, err := l.try(t, func() (string, error) { return c.Pull(repo + ":" + tag) })
		if err != nil || got != digest {
			t.Errorf("pull of %s:%s: %s, %v; pushed was %s", repo, tag, got, err, digest)
			return
		}
	}
}

// try gives a command, and the same again if it goes wrong.
func (l *crowd) try(t *testing.T, command func() (string, error)) (digest string, err error) {
	for i := range l.tries {
		if digest, err = command(); err == nil {
			l.done.Add(1)
			return digest, nil
		}
		l.failed.Add(1)
		t.Logf("try %d: %v", i+1, err)
	}
	return "", err
}

func (l *crowd) isOver() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

// goOn waits until so many more commands went well.
func (l *crowd) goOn(t *testing.T, more int64) {
	t.Helper()
	want := l.done.Load() + more
	eventually(t, fmt.Sprintf("%d commands more", more), func() bool { return l.done.Load() >= want || t.Failed() })
	if t.Failed() {
		t.FailNow()
	}
}

// end stops the crowd, and pulls all that was acknowledged once more.
func (l *crowd) end(t *testing.T) {
	t.Helper()
	close(l.stop)
	l.clients.Wait()
	crane := l.client(t, "crane")
	if err := crane.Login("admin", adminPassword); err != nil {
		t.Fatal(err)
	}
	for _, ref := range slices.Sorted(maps.Keys(l.pushed)) {
		if got, err := crane.Pull(ref); err != nil || got != l.pushed[ref] {
			t.Errorf("%s is lost: %s, %v; pushed was %s", ref, got, err, l.pushed[ref])
		}
	}
	t.Logf("%d commands, of which %d had to be given again; %d images", l.done.Load(), l.failed.Load(), len(l.pushed))
}

// aBit is as many commands as it takes for each client to be somewhere else.
const aBit = 30

// startWithStore starts three gates in front of two registries with one store.
func startWithStore(t *testing.T, proxied bool) (*fleet, []testbed.RegistryConfig) {
	t.Helper()
	store := testbed.Dir(t)
	plan := fleetPlan{gates: 3, rules: rules(t), grace: "3s", proxied: proxied}
	var configs []testbed.RegistryConfig
	for range 2 {
		cfg := testbed.RegistryConfig{Version: testbed.Registry3, Addr: testbed.LocalAddr(), Store: store}
		configs, plan.registries = append(configs, cfg), append(plan.registries, testbed.StartRegistry(t, cfg))
	}
	return plan.start(t), configs
}

// awaitWork waits until a gate is in the middle of something.
func (f *fleet) awaitWork(t *testing.T, gate int) {
	t.Helper()
	eventually(t, "a request on its way", func() bool {
		return (&site{gate: f.gates[gate]}).counted(t, "regate_requests_in_flight") > 0
	})
}

func kill(t *testing.T, p *testbed.Process) {
	t.Helper()
	if err := p.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
}

// TestFleetSurvives kills a gate, then Redis, then a registry, each without a
// word, while twenty clients push and pull. The same command, given again at
// most twice, goes well, and nothing that was acknowledged is lost.
func TestFleetSurvives(t *testing.T) {
	f, registries := startWithStore(t, false)
	l := f.startCrowd(t, noDocker, 3)
	l.goOn(t, aBit)

	f.awaitWork(t, 0)
	kill(t, f.gates[0].Process)
	l.goOn(t, aBit)
	f.gates[0].Launch(t)
	f.AwaitServer(t, "gate0", "UP")

	f.redis.Kill()
	l.goOn(t, aBit)
	f.redis.Launch(t)
	l.goOn(t, aBit)

	f.awaitWork(t, 1)
	kill(t, f.registries[0].Process)
	l.goOn(t, aBit)
	testbed.StartRegistry(t, registries[0])
	l.goOn(t, aBit)
	l.end(t)
}

// TestRollingRestart ends and starts one gate after the other, while twenty
// clients push and pull: none of them notices.
func TestRollingRestart(t *testing.T) {
	for name, proxied := range map[string]bool{"TLS passes through": false, "HAProxy ends TLS": true} {
		t.Run(name, func(t *testing.T) {
			f, _ := startWithStore(t, proxied)
			f.engines.docker = testbed.StartDocker(t)
			l := f.startCrowd(t, withDocker, 1)
			l.goOn(t, aBit)
			for i, g := range f.gates {
				if err := g.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
				(&site{gate: g}).awaitEnd(t)
				l.goOn(t, aBit)
				g.Launch(t)
				f.AwaitServer(t, fmt.Sprint("gate", i), "UP")
				l.goOn(t, aBit)
			}
			l.end(t)
		})
	}
}
