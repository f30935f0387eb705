package proxy

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/internal/cache"
	"github.com/regate/regate/internal/connlimit"
	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy/listing"
	"github.com/regate/regate/proxy/upstream"
)

// A catalog has the names of all repositories by host, as rules know them. That
// is how clients know them too, but for those that ask in the place of another
// registry: they leave out its prefix. It lives as long as its Gateway.
type catalog struct {
	table    *Table
	seal     *listing.Seal
	listings map[string]*listing.Listing // of the registries that the gate checks
	hosts    map[string]bool             // that routes are for, as they have them
	shelves  *cache.Cache[place, *shelf]
	waiting  *connlimit.Limiter
	turns    turns
}

// mostShelves bounds what is kept for hosts. Each takes 16 bytes a name, and
// more if names are rewritten.
const (
	mostShelves = 16
	shelfLife   = 5 * time.Minute // each may hold on to a listing of its own
)

func newCatalog(t *Table, o Catalog) *catalog {
	c := &catalog{
		table:    t,
		seal:     listing.NewSeal(o.Key),
		listings: make(map[string]*listing.Listing),
		hosts:    make(map[string]bool),
		shelves:  cache.New[place, *shelf](cache.Options{Size: mostShelves, TTL: shelfLife}),
		waiting:  connlimit.New(connlimit.Limits{Connections: mostWaiting, PerNetwork: mostWaiting / 2}, connlimit.Deps{}),
		turns:    newTurns(),
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	for _, r := range t.routes {
		c.hosts[r.host] = true
		if c.listings[r.Registry] == nil && r.listable() {
			log := o.Log.With(zap.String("registry", r.Registry))
			c.listings[r.Registry] = listing.New(newSource(r.Pool), listing.Options{TTL: o.Config.TTL, Log: log})
		}
	}
	return c
}

func (c *catalog) inherit(old *catalog, same func(registry string) bool) {
	for name, l := range c.listings {
		if same(name) {
			l.Inherit(old.listings[name])
		}
	}
}

func (c *catalog) close() {
	for _, l := range c.listings {
		l.Close()
	}
}

// names returns what a client that may see everything finds at a host. The
// error is that of the first registry which cannot be listed: a listing that
// lacks some of them would be taken for all there is.
func (c *catalog) names(ctx context.Context, m Match) (all []string, err error) {
	at := m.place()
	s, err := c.shelves.Do(ctx, place{c.class(at.host), at.namespace}, func(context.Context) (*shelf, error) {
		return &shelf{place: at, table: c.table, ways: c.table.waysTo(at)}, nil
	})
	if err != nil {
		return nil, err
	}
	of := make([]*listing.Snapshot, len(s.ways))
	for i, w := range s.ways {
		if of[i], err = c.listings[w.registry].Names(ctx); err != nil {
			return nil, err
		}
	}
	if len(s.ways) == 1 && s.ways[0].straight {
		return of[0].Names, nil
	}
	err = c.turns.do(ctx, func() error {
		all = s.names(of)
		return nil
	})
	return all, err
}

// class stands for all hosts that the same routes are for as for host. A
// wildcard lets any number of them in, and one shelf does for all.
func (c *catalog) class(host string) string {
	if c.hosts[host] {
		return host
	}
	if wild := "*." + parent(host); c.hosts[wild] {
		return wild
	}
	return ""
}

// A shelf has what can be pulled at one place.
type shelf struct {
	place
	table *Table
	ways  []way

	mu   sync.Mutex // guards what follows, which is made of one listing of each way
	of   []*listing.Snapshot
	made []string // in the order of listing.Compare
}

// names returns the names of these listings as clients know them. The first who
// asks for those that are new makes them, and the others wait: it takes a
// fraction of a second for a hundred thousand.
func (s *shelf) names(of []*listing.Snapshot) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Equal(s.of, of) {
		return s.made
	}
	var made []string
	for i, w := range s.ways {
		for _, name := range of[i].Names {
			made = s.publish(w, name, made)
		}
	}
	slices.SortFunc(made, listing.Compare)
	s.of, s.made = of, slices.Compact(made)
	return s.made
}

// publish adds the names that clients have for a name of the registry: those
// by which they would really get there. What a rename puts in is the beginning
// of the name, up to a slash, or all of it.
func (s *shelf) publish(w way, name string, to []string) []string {
	for end := 0; ; {
		for _, n := range w.renames[name[:end]] {
			public, ok := n.back(name)
			if ok && oci.ValidName(public) && s.leads(w, public, name) {
				to = append(to, public)
			}
		}
		if end == len(name) {
			return to
		}
		if i := strings.IndexByte(name[end:], '/'); i >= 0 {
			end += i + 1
		} else {
			end = len(name)
		}
	}
}

func (s *shelf) leads(w way, public, name string) bool {
	namespace, own := s.table.namespaces.locate(nil, public)
	i := s.table.index.find(s.host, asked{namespace, own, oci.Pull})
	return i != missing && s.table.routes[i].Pool == w.pool && s.table.routes[i].rename.upstream(own) == name
}

// A way is how the repositories of one registry are reached from a place.
type way struct {
	registry string
	pool     *upstream.Pool
	renames  map[string][]rename // by what names at the registry begin with
	straight bool                // every name is the same to clients
}

// waysTo finds the registries that can be pulled from. Those that the gate does
// not check answer for themselves.
func (t *Table) waysTo(at place) (ways []way) {
	for i, r := range t.routes {
		if !r.listable() || r.actions&oci.Pull == 0 || !r.at(at) {
			continue
		}
		k := slices.IndexFunc(ways, func(w way) bool { return w.pool == r.Pool })
		if k < 0 {
			k = len(ways)
			ways = append(ways, way{registry: r.Registry, pool: r.Pool, renames: make(map[string][]rename)})
		}
		if known := ways[k].renames[r.listed.inside]; !slices.Contains(known, r.listed) {
			ways[k].renames[r.listed.inside] = append(known, r.listed)
		}
		ways[k].straight = len(ways) == 1 && r.listed == rename{} && r.pattern.String() == deep && !t.hides(i, at) && len(t.namespaces.names) == 0
	}
	return ways
}

// hides reports whether a route before the i-th takes anything from it.
func (t *Table) hides(i int, at place) bool {
	return slices.ContainsFunc(t.routes[:i], func(r *Route) bool { return r.at(at) })
}

// listable reports whether the gate asks the registry for its repositories.
// Docker Hub and others of somebody else's have no such list, or one without
// an end, and count what they are asked.
func (r *Route) listable() bool { return r.Pool.Checked() && r.Pool.Namespace().Name == "" }

// at reports whether the route is for a place. Where the gate itself is asked,
// that is any namespace, by its prefix.
func (r *Route) at(p place) bool {
	if p.namespace != "" && r.namespace != p.namespace {
		return false
	}
	rest, wild := strings.CutPrefix(r.host, "*.")
	return r.host == "" || r.host == p.host || wild && rest != "" && rest == parent(p.host)
}
