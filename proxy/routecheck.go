package proxy

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/internal/problem"
	"github.com/regate/regate/proxy/upstream"
)

// ValidateRoutes returns all mistakes in routes to registries as a
// problem.List, with paths such as "[2].registry".
//
// While a registry itself has mistakes, only those are told that show in a route
// alone: nobody knows what the others would be.
func ValidateRoutes(routes []RouteConfig, registries map[string]upstream.Config) error {
	known := knownOf(registries)
	if sound(registries) {
		return validate(routes, known)
	}
	var l problem.List
	for i, r := range routes {
		l.Under(at(i), r.validate(known))
		if len(l) > maxMistakes {
			break
		}
	}
	return l.Err()
}

// maxMistakes bounds the work for messages, of which nobody reads so many:
// finding what was meant takes time for each.
const maxMistakes = 100

func sound(registries map[string]upstream.Config) bool {
	var l problem.List
	for _, c := range registries {
		l.Under("", c.Validate())
	}
	return !l.Fatal()
}

// known is what routes must know of a registry.
type known struct {
	checked   bool          // by the gate
	namespace oci.Namespace // of a mirror
}

func knownOf(registries map[string]upstream.Config) map[string]known {
	all := make(map[string]known, len(registries))
	for name, c := range registries {
		all[name] = known{c.Checked(), c.Namespace()}
	}
	return all
}

// validate is ValidateRoutes for as much of registries as it needs.
func validate(routes []RouteConfig, registries map[string]known) error {
	var l problem.List
	if own := ownRegistries(registries); len(routes) == 0 && (len(own) > 1 || len(registries) == 0) {
		l.Addf("", "there are %d registries; say with routes what goes where", len(own))
	}
	good := make([]int, 0, len(routes))
	for i, r := range routes {
		if err := r.validate(registries); err != nil {
			l.Under(at(i), err)
		} else if n := registries[r.Registry].namespace; n.Name != "" && r.Namespace == "" {
			l.Addf(at(i)+".registry", "%s is the mirror of %s, and needs no route: its repositories are %s/…; a route for some of them has ns: %s", r.Registry, n.Name, n.Prefix, n.Name)
		} else {
			good = append(good, i)
		}
		if c, ok := registries[r.Registry]; ok && !c.checked {
			l.Under(at(i), validateUnchecked(routes, i))
		}
		if len(l) > maxMistakes {
			return l.Err()
		}
	}
	l.Under("", validateTogether(routes, good, registries))
	return l.Err()
}

// ownRegistries are the names of those that are no mirrors.
func ownRegistries(registries map[string]known) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(registries)) {
		if registries[name].namespace.Name == "" {
			names = append(names, name)
		}
	}
	return names
}

// implied are the routes that follow those of the configuration: to the only
// registry, if there are none, and to each mirror what is asked in the place of
// what it stands for.
func implied(routes []RouteConfig, registries map[string]known) (more []RouteConfig) {
	if own := ownRegistries(registries); len(routes) == 0 && len(own) == 1 {
		more = append(more, RouteConfig{Registry: own[0]})
	}
	for _, name := range slices.Sorted(maps.Keys(registries)) {
		if n := registries[name].namespace; n.Name != "" {
			more = append(more, RouteConfig{Namespace: n.Name, Registry: name})
		}
	}
	return more
}

func at(i int) string { return "[" + strconv.Itoa(i) + "]" }

// validateUnchecked makes sure that no request for a host of routes[i] gets to
// another registry before it: clients learn from the one that answers /v2/
// where to get a token, and there is but one /v2/ to a host. The names in that
// token are the registry's, so it must know the repositories by the same ones.
func validateUnchecked(routes []RouteConfig, i int) error {
	var l problem.List
	c := routes[i]
	if !c.all() || len(c.Actions) > 0 {
		l.Addf("repository", "registry %q is not checked (check: false), so it must get all repositories of its host", c.Registry)
	}
	if c.Namespace != "" {
		l.Addf("ns", "registry %q is not checked (check: false), so it cannot be asked in the place of another: clients have tokens of its own", c.Registry)
	}
	if c.Strip+c.Add+c.Rename != "" {
		l.Addf("", "registry %q is not checked (check: false), so its names cannot be changed: clients have tokens of its own", c.Registry)
	}
	for j, other := range routes[:i] {
		apart := other.Host != "" && !meetHosts(other.Host, c.Host) && (c.Host != "" || other.all())
		if other.Registry != c.Registry && !apart {
			l.Addf("host", "registry %q is not checked (check: false), so it must have a host of its own; routes[%d] leads requests for it elsewhere", c.Registry, j)
			break
		}
	}
	return l.Err()
}

// all reports whether the route takes every repository of its host.
func (c RouteConfig) all() bool { return c.Repository == "" || c.Repository == deep }

// meetHosts reports whether a request can be for both of two hosts that are
// given. A wildcard and "any" are for any host, as far as c.host is "".
func meetHosts(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	return a == b || coversHost(a, b) || coversHost(b, a)
}

// coversHost reports whether whatever is for host b is for a, which is not "".
func coversHost(a, b string) bool {
	rest, wild := strings.CutPrefix(a, "*.")
	return a == b || wild && !strings.HasPrefix(b, "*.") && parent(b) == rest
}

// covers reports whether c takes whatever other takes, apart from the names.
func (c condition) covers(other condition) bool {
	hosts := c.host == "" || other.host != "" && coversHost(c.host, other.host)
	return hosts && c.namespace == other.namespace && other.actions&^c.actions == 0
}

// A plan is all routes of a configuration, as far as they are good, with the
// names that rules have.
type plan struct {
	routes   []RouteConfig
	written  int // of them; those that follow are implied
	all      []condition
	renames  []rename
	images   []pattern // what the registry calls the repositories
	patterns *buckets
}

// validateTogether looks, among the good routes, for some that can never match,
// and for repositories with two names.
func validateTogether(routes []RouteConfig, good []int, registries map[string]known) error {
	var l problem.List
	more := implied(routes, registries)
	spaces := newNamespaces(allNamespaces(append(routes[:len(routes):len(routes)], more...), registries))
	n := len(routes) + len(more)
	p := plan{append(routes[:len(routes):len(routes)], more...), len(routes), make([]condition, n), make([]rename, n), make([]pattern, n), newBuckets()}
	for i := range more {
		good = append(good, len(routes)+i)
	}
	for _, i := range good {
		c := p.routes[i].within(spaces)
		p.all[i], p.renames[i] = c.condition(), c.rename()
		if why := p.never(i, spaces); why != "" && i < p.written {
			l.Addf(at(i), "can never match, because %s", why)
		}
		p.images[i] = p.renames[i].image(p.all[i].pattern)
		p.patterns.add(p.all[i].pattern, i)
	}
	l.Under("", p.validateNames(good))
	return l.Err()
}

// never says why no request gets to the i-th route.
func (p plan) never(i int, spaces namespaces) (why string) {
	c := p.all[i]
	if j := p.taking(i, c, c.pattern); j >= 0 {
		return p.called(j) + " takes all of it"
	}
	if n := spaces.hosts[c.host]; n != nil && n.Name != c.namespace {
		return "its host is for what is of " + n.Name + " alone"
	}
	if n := spaces.prefixes[c.pattern[0]]; n != nil && c.namespace == "" && len(c.pattern) > 1 {
		return "what begins with " + n.Prefix + "/ is of " + n.Name + "; write ns: " + n.Name + ", and the names without it"
	}
	return ""
}

// called is what messages call a route.
func (p plan) called(i int) string {
	if i < p.written {
		return "routes" + at(i)
	}
	return "the mirror " + p.routes[i].Registry
}

// taking is a route before the i-th that takes all that matches pattern and c's
// other conditions; -1 if none does so by itself.
func (p plan) taking(i int, c condition, pattern pattern) int {
	for _, near := range p.patterns.near(pattern) {
		for _, j := range near {
			if j < i && p.all[j].covers(c) && pattern.within(p.all[j].pattern) {
				return j
			}
		}
	}
	return -1
}

// maxTwins bounds how many repositories with two names are reported.
const maxTwins = 10

// validateNames finds repositories that clients would know by two names. The
// rights to one name would be as good as those to the other, since registries
// know what may be read by its repository alone.
func (p plan) validateNames(good []int) error {
	var l problem.List
	seen := make(map[string]*buckets) // by registry: the names there
	written := slices.IndexFunc(good, func(i int) bool { return i >= p.written })
	if written < 0 {
		written = len(good)
	}
	for _, j := range append(good[written:len(good):len(good)], good[:written]...) { // so that what is told is one that is written
		registry := p.routes[j].Registry
		if seen[registry] == nil {
			seen[registry] = newBuckets()
		}
		if i, inside := p.twin(j, seen[registry]); i >= 0 {
			one, _ := p.renames[i].origin(inside)
			two, _ := p.renames[j].origin(inside)
			under := "the name " + two.String()
			if two.String() == inside.String() {
				under = "that name"
			}
			l.Addf(at(j), "would have %s of registry %q under %s, and %s has it as %s; a repository has one name only, or the rights to one would be those to the other", inside, registry, under, p.called(i), one)
		}
		if len(l) == maxTwins {
			break
		}
		seen[registry].add(p.images[j], j)
	}
	return l.Err()
}

// twin is a route of those seen that leads to some of what the j-th does, under
// other names; -1 if there is none.
func (p plan) twin(j int, seen *buckets) (i int, inside pattern) {
	for _, near := range seen.near(p.images[j]) {
		for _, i := range near {
			if p.renames[i] == p.renames[j] {
				continue
			}
			inside, ok := p.images[i].meet(p.images[j])
			if ok && !p.hidden(i, p.images[j]) && !p.hidden(j, p.images[i]) {
				return i, inside
			}
		}
	}
	return -1, nil
}

// hidden reports whether a route before the i-th takes all names by which that
// would lead to inside.
func (p plan) hidden(i int, inside pattern) bool {
	public, ok := p.renames[i].origin(inside)
	return ok && p.taking(i, p.all[i], public) >= 0
}

// buckets have routes by the first and the last component of a pattern: those
// that differ in one of them have nothing in common. "" stands for any with a
// star.
type buckets struct {
	all         []int
	first, last map[string][]int
	open        map[string][]int // those whose first has a star, by the last
}

func newBuckets() *buckets {
	return &buckets{first: make(map[string][]int), last: make(map[string][]int), open: make(map[string][]int)}
}

func (b *buckets) add(p pattern, i int) {
	first, last := plainPart(p[0]), plainPart(p[len(p)-1])
	b.all = append(b.all, i)
	b.first[first] = append(b.first[first], i)
	b.last[last] = append(b.last[last], i)
	if first == "" {
		b.open[last] = append(b.open[last], i)
	}
}

// plainPart is a component that has no star; "" for any other.
func plainPart(part string) string {
	if strings.Contains(part, "*") {
		return ""
	}
	return part
}

// near are those that may have something in common with p.
func (b *buckets) near(p pattern) [][]int {
	first, last := plainPart(p[0]), plainPart(p[len(p)-1])
	switch {
	case first == "" && last == "":
		return [][]int{b.all}
	case first == "":
		return [][]int{b.last[last], b.last[""]}
	case last == "":
		return [][]int{b.first[first], b.first[""]}
	}
	return [][]int{b.first[first], b.open[last], b.open[""]}
}
