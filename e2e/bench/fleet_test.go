//go:build bench

package bench

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/e2e/testbed"
)

// fleetSize is how many gates there are, and newcomers how many users have not
// logged in yet.
const (
	fleetSize = 3
	newcomers = 200
)

// A fleet is gates that share a Redis, behind one HAProxy.
type fleet struct {
	*bench
	gates  []*testbed.Gate
	host   string // of them all, at which the first answers
	redis  *testbed.Redis
	single []*server // each gate
	first  []*server // the first gate, the first two, and so on
	config string    // of the balancer
}

// fleet is what it costs to be many.
func (b *bench) fleet(t *testing.T) {
	f := b.startFleet(t)
	t.Run("share", f.share)
	t.Run("commands", f.commands)
	t.Run("revocation", f.revocation)
	b.alone = append(b.alone, f.bench.alone...)
}

// frontend passes TLS through to some gates, and tells them from whom it is.
const frontend = `
listen %s
	bind %[1]s
	mode tcp
	balance roundrobin
	default-server send-proxy-v2
`

func (b *bench) startFleet(t *testing.T) *fleet {
	f := &fleet{bench: &bench{authority: b.authority, tls: b.tls, sink: b.sink, rounds: b.rounds}, redis: testbed.StartRedis(t), host: host(testbed.Port())}
	for range fleetSize {
		g := b.prepareGate(t, f.join)
		g.Launch(t)
		f.gates = append(f.gates, g)
	}
	for i := range f.gates {
		f.single = append(f.single, f.balance(i, i+1))
		f.first = append(f.first, f.balance(0, i+1))
	}
	testbed.StartBalancer(t, f.config, f.first[fleetSize-1].at)
	f.gate = f.single[0]
	f.bearer = f.login(t, f.gate, account)
	return f
}

var own = regexp.MustCompile(`state: {path: (.+)}`)

// join is the configuration of a gate as that of one of the fleet, which counts
// wrong passwords.
func (f *fleet) join(config string) string {
	config = strings.Replace(config, "grace: 0s", fmt.Sprintf("grace: 0s, public_url: https://%s, proxy_protocol: true, trusted_proxies: [%s]", f.host, testbed.Address), 1)
	config = own.ReplaceAllString(config, "state: "+f.redis.State("$1"))
	config = strings.Replace(config, "  login_limits: {exempt: [0.0.0.0/0]}\n", "", 1)
	user, _, _ := strings.Cut(config[strings.Index(config, `    "admin"`):], "\n")
	users := user
	for i := range newcomers {
		users += "\n" + strings.Replace(user, "admin", newcomer(i), 1)
	}
	return strings.Replace(config, user, users, 1)
}

func newcomer(i int) string { return fmt.Sprint("newcomer", i) }

// balance adds a frontend for some gates.
func (f *fleet) balance(from, to int) *server {
	s := &server{name: fmt.Sprintf("gates %d to %d", from+1, to), host: f.host, at: f.host, pid: f.gates[from].Pid()}
	if len(f.single) > 0 {
		s.at = host(testbed.Port())
	}
	f.config += fmt.Sprintf(frontend, s.at)
	for i, g := range f.gates[from:to] {
		f.config += fmt.Sprintf("\tserver gate%d %s:%d\n", from+i, testbed.Address, g.Port)
		if i > 0 {
			s.others = append(s.others, g.Pid())
		}
	}
	return s
}

// share is the same work done by one gate, two and three: as fast as it can be
// done, and with as many clients for each gate, who take their time. A gate with
// little to do wakes up for each request, and so each costs more.
func (f *fleet) share(t *testing.T) {
	const clients, requests = 12, 24_000
	f.tellShare(t, "one, two, three gates, which share the same work", func(*server) crowdOf {
		return crowdOf{clients: clients, each: requests / clients}
	})
	f.tellShare(t, "one, two, three gates, each of which has as many clients that ask at leisure", func(s *server) crowdOf {
		return crowdOf{clients: clients / fleetSize * (1 + len(s.others)), each: 300, pause: 10 * time.Millisecond}
	})
}

// crowdOf is clients that ask for a manifest so often, with so much time between.
type crowdOf struct {
	clients, each int
	pause         time.Duration
}

func (f *fleet) tellShare(t *testing.T, who string, work func(*server) crowdOf) {
	costs, took := make(map[string][]time.Duration), make(map[string][]time.Duration)
	for range f.rounds {
		for _, s := range f.first {
			c := work(s)
			began := time.Now()
			cost := s.spent(t, func() { f.pull(t, s, c) })
			n := time.Duration(c.clients * c.each)
			costs[s.name], took[s.name] = append(costs[s.name], cost/n), append(took[s.name], time.Since(began)/n)
		}
		t.Log(last(f.first, costs))
	}
	var cpu, rate []string
	for _, s := range f.first {
		cpu = append(cpu, micro(median(costs[s.name])))
		rate = append(rate, fmt.Sprintf("%.0f", 1/median(took[s.name]).Seconds()))
	}
	times := float64(median(costs[f.first[fleetSize-1].name])) / float64(median(costs[f.first[0].name]))
	f.row("GET of a manifest through HAProxy, CPU of "+who, fmt.Sprintf("%s (**%.2f** ×); %s requests per second", strings.Join(cpu, ", "), times, strings.Join(rate, ", ")),
		"≤ 1.1 ×", times <= 1.1)
}

func (f *fleet) pull(t *testing.T, s *server, work crowdOf) {
	request := f.header("GET", repository+"manifests/latest", s, "Accept: application/vnd.oci.image.manifest.v1+json\r\n")
	together(work.clients, func(int) {
		c := f.dial(t, s)
		defer c.Close()
		for range work.each {
			c.ask(t, request, 200)
			time.Sleep(work.pause)
		}
	})
}
