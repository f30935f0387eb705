package upstream

// The ways to choose among several upstreams.
const (
	ByRepository = "repository"  // each repository has one, the same at every gate
	LeastConn    = "least_conn"  // the one with the fewest requests
	RoundRobin   = "round_robin" // one after the other
)

// choose returns the endpoint that the balance prefers among those that fit;
// nil if none does.
func (p *Pool) choose(repository string, fit func(*Endpoint) bool) *Endpoint {
	switch p.balance {
	case LeastConn:
		return p.leastBusy(fit)
	case RoundRobin:
		return p.following(fit)
	}
	return p.highest(repository, fit)
}

// highest is rendezvous hashing: every gate finds the same endpoint without
// asking another, and when one of n goes, only its own repositories move
// (Thaler and Ravishankar, "A Name-Based Mapping Scheme for Rendezvous").
func (p *Pool) highest(repository string, fit func(*Endpoint) bool) (best *Endpoint) {
	name := fnv(repository)
	var most uint64
	for _, e := range p.endpoints {
		if !fit(e) {
			continue
		}
		if score := mix(name ^ e.seed); best == nil || score > most {
			best, most = e, score
		}
	}
	return best
}

// leastBusy begins at another endpoint each time, or the first would get all
// that come while nobody has anything to do.
func (p *Pool) leastBusy(fit func(*Endpoint) bool) (best *Endpoint) {
	var least int64
	n := len(p.endpoints)
	start := p.turn(n)
	for i := range n {
		e := p.endpoints[(start+i)%n]
		if !fit(e) {
			continue
		}
		if busy := e.vitals.busy.Load(); best == nil || busy < least {
			best, least = e, busy
		}
	}
	return best
}

// following counts those that fit alone, so that the neighbour of one that is
// down does not get the share of two.
func (p *Pool) following(fit func(*Endpoint) bool) *Endpoint {
	fitting := 0
	for _, e := range p.endpoints {
		if fit(e) {
			fitting++
		}
	}
	if fitting == 0 {
		return nil
	}
	nth := p.turn(fitting)
	for _, e := range p.endpoints {
		if !fit(e) {
			continue
		}
		if nth == 0 {
			return e
		}
		nth--
	}
	return nil // one has gone down since they were counted
}

// turn is one of n, another one each time.
func (p *Pool) turn(n int) int { return int(p.turns.Add(1) % uint64(n)) }

// fnv is FNV-1a. Gates of different builds must agree on it.
func fnv(text string) uint64 {
	hash := uint64(14695981039346656037)
	for i := range len(text) {
		hash = (hash ^ uint64(text[i])) * 1099511628211
	}
	return hash
}

// mix makes each bit depend on all (the finalizer of splitmix64).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
