package proxy

import (
	"strconv"
	"strings"

	"github.com/regate/regate/internal/problem"
	"github.com/regate/regate/proxy/upstream"
)

// ValidateRoutes returns all mistakes in routes to registries as a
// problem.List, with paths such as "[2].registry".
func ValidateRoutes(routes []RouteConfig, registries map[string]upstream.Config) error {
	checked := make(map[string]bool, len(registries))
	for name, c := range registries {
		checked[name] = c.Checked()
	}
	return validate(routes, checked)
}

// validate is ValidateRoutes for registries of which only matters whether the
// gate checks them.
func validate(routes []RouteConfig, checked map[string]bool) error {
	var l problem.List
	if len(routes) == 0 && len(checked) != 1 {
		l.Addf("", "there are %d registries; say with routes what goes where", len(checked))
	}
	good := make([]int, 0, len(routes))
	for i, r := range routes {
		if err := r.validate(checked); err != nil {
			l.Under(at(i), err)
		} else {
			good = append(good, i)
		}
		if c, known := checked[r.Registry]; known && !c {
			l.Under(at(i), validateUnchecked(routes, i))
		}
	}
	l.Under("", validateTogether(routes, good))
	return l.Err()
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

// A plan is all routes of a configuration, as far as they are good.
type plan struct {
	routes   []RouteConfig
	all      []condition
	renames  []rename
	images   []pattern // what the registry calls the repositories
	patterns *buckets
}

// validateTogether looks, among the good routes, for some that can never match,
// and for repositories with two names.
func validateTogether(routes []RouteConfig, good []int) error {
	var l problem.List
	n := len(routes)
	p := plan{routes, make([]condition, n), make([]rename, n), make([]pattern, n), newBuckets()}
	for _, i := range good {
		c := routes[i].condition()
		if j := p.taking(i, c, c.pattern); j >= 0 {
			l.Addf(at(i), "can never match, because routes[%d] takes all of it", j)
		}
		p.all[i], p.renames[i] = c, routes[i].rename()
		p.images[i] = p.renames[i].image(c.pattern)
		p.patterns.add(c.pattern, i)
	}
	l.Under("", p.validateNames(good))
	return l.Err()
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
	for _, j := range good {
		registry := p.routes[j].Registry
		if seen[registry] == nil {
			seen[registry] = newBuckets()
		}
		if i, inside := p.twin(j, seen[registry]); i >= 0 {
			one, _ := p.renames[i].origin(inside)
			two, _ := p.renames[j].origin(inside)
			l.Addf(at(j), "would give %s of registry %q a second name, %s, beside %s of routes[%d]; a repository can have one name only, or the rights to one would be those to the other", inside, registry, two, one, i)
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
