package connlimit

import (
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"

	"go.uber.org/zap"

	"github.com/regate/regate/internal/network"
)

// Limits say how much is taken at once. A zero is no limit.
type Limits struct {
	Connections int // altogether
	PerNetwork  int // of one network: a /24 of IPv4, a /64 of IPv6; a /48 of IPv6 has twice as many, but no more than three quarters of all
	Handshakes  int // that wait for a processor or have one; one network has half of them at most

	Exempt []netip.Prefix // networks of balancers, from where everybody comes
}

// The reasons for which a connection is refused.
const (
	Total      = "total"       // Limits.Connections
	PerNetwork = "per_network" // Limits.PerNetwork
	Handshakes = "handshakes"  // Limits.Handshakes
	Flood      = "http2_flood" // frames that lead to nothing
	Untrusted  = "untrusted"   // comes from elsewhere than Only lets in
)

// A Limiter counts the connections of a listener. Its methods may be called by
// several goroutines at once.
type Limiter struct {
	limits  Limits
	refused refusals
	slots   chan struct{} // a handshake that computes has put something in

	mu         sync.Mutex // guards what follows, and the counts of each crowd
	open       int
	handshakes int
	crowds     map[netip.Prefix]*crowd // those with connections
}

// A crowd is everybody in one network.
type crowd struct {
	network    netip.Prefix
	most       int // connections
	open       int
	handshakes int
}

// Deps are what a Limiter tells others.
type Deps struct {
	Refused func(reason string) // called for each; nil is nobody
	Log     *zap.Logger         // nil for silence

	// Advice is what to do about a reason, which its line has; none is known of
	// the others.
	Advice map[string]string
}

// New returns a Limiter that nobody has connected to.
func New(limits Limits, deps Deps) *Limiter {
	return &Limiter{
		limits:  limits,
		refused: newRefusals(deps),
		slots:   make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		crowds:  make(map[netip.Prefix]*crowd),
	}
}

// Close is for when nobody listens any more: what has been refused since the
// last line is told now, and nothing after it. The Limiter counts as before.
func (l *Limiter) Close() { l.refused.end() }

// Open is how many connections there are.
func (l *Limiter) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// Enter counts in what is no connection, such as a request, until leave is
// called, or says why it is refused.
func (l *Limiter) Enter(addr netip.Addr) (leave func(), reason string) {
	all, reason := l.enter(addr)
	if reason != "" {
		l.refused.add(reason, addr)
		return nil, reason
	}
	return func() { l.leave(all) }, ""
}

// Hold counts in a connection that is with somebody else, who is to find out
// from where it comes, until leave is called, or closes it. It is then that
// Listener decides about it.
func (l *Limiter) Hold(c net.Conn) (leave func(), ok bool) {
	leave, reason := l.Enter(peer(c))
	if reason != "" {
		reset(c)
		return nil, false
	}
	return leave, true
}

// enter counts a connection from addr in, or says why it is refused. A zero
// addr is of no network.
func (l *Limiter) enter(addr netip.Addr) (all crowds, reason string) {
	networks, n := l.networks(addr)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limits.Connections > 0 && l.open >= l.limits.Connections {
		return all, Total
	}
	if l.limits.Handshakes > 0 && l.handshakes >= l.limits.Handshakes {
		return all, Handshakes
	}
	for i, network := range networks[:n] {
		c := l.crowds[network]
		if c == nil {
			c = &crowd{network: network, most: l.limits.most(i)}
		}
		switch {
		case l.limits.PerNetwork > 0 && c.open >= c.most:
			return crowds{}, PerNetwork
		case l.crowded(c):
			return crowds{}, Handshakes
		}
		all[i] = c
	}
	l.open++
	for _, c := range all.here() {
		c.open++
		l.crowds[c.network] = c
	}
	return all, ""
}

// most is what a network has, the i-th of those of an address.
func (l Limits) most(i int) int {
	most := l.PerNetwork << i
	if l.Connections > 0 {
		most = max(l.PerNetwork, min(most, l.Connections/4*3))
	}
	return most
}

// leave counts it out again. A crowd without connections is forgotten, so that
// there are never more of them than there are connections.
func (l *Limiter) leave(all crowds) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	for _, c := range all.here() {
		if c.open--; c.open == 0 {
			delete(l.crowds, c.network)
		}
	}
}

// networks are the first n of all: those of addr, the smallest first.
func (l *Limiter) networks(addr netip.Addr) (all [2]netip.Prefix, n int) {
	addr = addr.Unmap().WithZone("")
	if within(addr, l.limits.Exempt) {
		return all, 0
	}
	switch all = [2]netip.Prefix{network.Small(addr), network.Large(addr)}; {
	case !addr.IsValid():
		return all, 0
	case all[0] == all[1]: // IPv4
		return all, 1
	}
	return all, 2
}

func within(addr netip.Addr, nets []netip.Prefix) bool {
	return slices.ContainsFunc(nets, func(n netip.Prefix) bool { return n.Contains(addr) })
}

// crowds are those that a connection belongs to, from the first on.
type crowds [2]*crowd

func (all *crowds) here() []*crowd {
	for i, c := range all {
		if c == nil {
			return all[:i]
		}
	}
	return all[:]
}
