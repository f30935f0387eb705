//go:build bench

package bench

import (
	"fmt"
	"regexp"
	"slices"
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
	nginx  []*server // as many of these
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

// frontend passes TLS through to some servers.
const frontend = `
listen %s
	bind %[1]s
	mode tcp
	balance roundrobin
`

func (b *bench) startFleet(t *testing.T) *fleet {
	f := &fleet{bench: &bench{authority: b.authority, tls: b.tls, sink: b.sink, rounds: min(b.rounds, 5)}, redis: testbed.StartRedis(t), host: host(testbed.Port())}
	var gates, nginx []*server
	for range fleetSize {
		g := b.prepareGate(t, f.join)
		g.Launch(t)
		f.gates = append(f.gates, g)
		gates = append(gates, &server{name: "regate", host: host(g.Port), pid: g.Pid()})
		nginx = append(nginx, b.peer.nginx(t, "off"))
	}
	for i := range gates {
		at := host(testbed.Port())
		if i == 0 {
			at = f.host
		}
		f.single = append(f.single, f.balance(at, gates[i:i+1], "send-proxy-v2")) // for the gate to know from whom it is
		f.first = append(f.first, f.balance(host(testbed.Port()), gates[:i+1], "send-proxy-v2"))
		f.nginx = append(f.nginx, f.balance(host(testbed.Port()), nginx[:i+1], ""))
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

// balance adds a frontend for some servers.
func (f *fleet) balance(at string, servers []*server, how string) *server {
	all := &server{name: fmt.Sprintf("%d × %s", len(servers), servers[0].name), host: f.host, at: at, pid: servers[0].pid}
	f.config += fmt.Sprintf(frontend, at)
	for i, s := range servers {
		f.config += fmt.Sprintf("\tserver s%d %s %s\n", i, s.host, how)
	}
	for _, s := range servers[1:] {
		all.others = append(all.others, s.pid)
	}
	return all
}

// share is the same work done by one gate, two and three, beside as many nginx:
// by as many clients in all, by as many for each gate, and by as many for each
// that take their time. What waits is taken together: a gate with less to do
// wakes up more often for it, and so each request costs more.
func (f *fleet) share(t *testing.T) {
	const clients, requests = 12, 24_000
	f.tellShare(t, "which share so many clients", func(int) crowdOf {
		return crowdOf{clients: clients, each: requests / clients}
	})
	f.tellShare(t, "each of which has so many clients", func(servers int) crowdOf {
		return crowdOf{clients: clients * servers, each: requests / clients / servers}
	})
	f.tellShare(t, "each of which has so many clients that ask at leisure", func(servers int) crowdOf {
		return crowdOf{clients: clients / fleetSize * servers, each: 300, pause: 10 * time.Millisecond}
	})
}

// crowdOf is clients that ask for a manifest so often, with so much time between.
type crowdOf struct {
	clients, each int
	pause         time.Duration
}

// tellShare measures the work of a crowd for each number of servers.
func (f *fleet) tellShare(t *testing.T, who string, work func(servers int) crowdOf) {
	all := append(slices.Clone(f.first), f.nginx...)
	costs, took := make(map[string][]time.Duration), make(map[string][]time.Duration)
	for range f.rounds {
		for _, s := range all {
			c := work(1 + len(s.others))
			began := time.Now()
			cost := s.spent(t, func() { f.pull(t, s, c) })
			n := time.Duration(c.clients * c.each)
			costs[s.name], took[s.name] = append(costs[s.name], cost/n), append(took[s.name], time.Since(began)/n)
		}
		t.Log(last(all, costs))
	}
	ours, grown := growth(f.first, costs)
	theirs, nginx := growth(f.nginx, costs)
	var rate []string
	for _, s := range f.first {
		rate = append(rate, fmt.Sprintf("%.0f", 1/median(took[s.name]).Seconds()))
	}
	f.row("GET of a manifest through HAProxy, CPU of one, two, three gates, "+who,
		fmt.Sprintf("%s (**%.2f** ×), of nginx %s (%.2f ×); %s requests per second", ours, grown, theirs, nginx, strings.Join(rate, ", ")),
		"≤ 1.1 ×, or grows ≤ 1.1 × as much as that of nginx", grown <= 1.1*max(1, nginx))
}

// growth is what a request costs one server, two and three, and how often the
// last is the first.
func growth(fleets []*server, costs map[string][]time.Duration) (each string, times float64) {
	var all []string
	for _, s := range fleets {
		all = append(all, micro(median(costs[s.name])))
	}
	first, last := median(costs[fleets[0].name]), median(costs[fleets[len(fleets)-1].name])
	return strings.Join(all, ", "), float64(last) / float64(first)
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
