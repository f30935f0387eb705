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

// validateTogether looks, among the good routes, for some that can never match,
// and for repositories with two names.
func validateTogether(routes []RouteConfig, good []int) error {
	var l problem.List
	all := make([]condition, len(routes)) // without a pattern if not good
	before := newBuckets()
	for _, i := range good {
		all[i] = routes[i].condition()
		for _, j := range before.near(all[i].pattern) {
			if all[j].covers(all[i]) && all[i].pattern.within(all[j].pattern) {
				l.Addf(at(i), "can never match, because routes[%d] takes all of it", j)
				break
			}
		}
		before.add(all[i].pattern, i)
	}
	l.Under("", validateNames(routes, all, good))
	return l.Err()
}

// maxTwins bounds how many repositories with two names are reported.
const maxTwins = 10

// validateNames finds repositories that clients would know by two names. The
// rights to one name would be as good as those to the other, since registries
// know what may be read by its repository alone.
func validateNames(routes []RouteConfig, all []condition, good []int) error {
	var l problem.List
	seen := make(map[string]*buckets) // by registry: the names there
	for _, j := range good {
		r := routes[j]
		image := r.rename().image(all[j].pattern)
		b := seen[r.Registry]
		if b == nil {
			b = newBuckets()
			seen[r.Registry] = b
		}
		for _, i := range b.near(image) {
			if inside, ok := twins(routes, all, i, j); ok && len(l) < maxTwins {
				one, _ := routes[i].rename().origin(inside)
				two, _ := r.rename().origin(inside)
				l.Addf(at(j), "would give %s of registry %q a second name, %s, beside %s of routes[%d]; a repository can have one name only, or the rights to one would be those to the other", inside, r.Registry, two, one, i)
				break
			}
		}
		b.add(image, j)
	}
	return l.Err()
}

// twins returns what two routes to a registry both lead to under different
// names. What another route before them takes, they lead to nothing.
func twins(routes []RouteConfig, all []condition, i, j int) (inside pattern, ok bool) {
	a, b := routes[i].rename(), routes[j].rename()
	if a == b {
		return nil, false
	}
	one, two := a.image(all[i].pattern), b.image(all[j].pattern)
	if inside, ok = one.meet(two); !ok {
		return nil, false
	}
	return inside, !taken(all, i, a, two) && !taken(all, j, b, one)
}

// taken reports whether other routes before the one at i take all names by
// which that would lead to inside.
func taken(all []condition, i int, r rename, inside pattern) bool {
	public, ok := r.origin(inside)
	if !ok {
		return false
	}
	for _, c := range all[:i] {
		if c.pattern != nil && c.covers(all[i]) && public.within(c.pattern) {
			return true
		}
	}
	return false
}

// buckets have routes by the first component of a pattern: those that differ
// in it have nothing in common.
type buckets struct {
	parts map[string][]int
	any   []int // with a star
	all   []int
}

func newBuckets() *buckets { return &buckets{parts: make(map[string][]int)} }

func (b *buckets) add(p pattern, i int) {
	b.all = append(b.all, i)
	if strings.Contains(p[0], "*") {
		b.any = append(b.any, i)
	} else {
		b.parts[p[0]] = append(b.parts[p[0]], i)
	}
}

// near are those that may have something in common with p.
func (b *buckets) near(p pattern) []int {
	if strings.Contains(p[0], "*") {
		return b.all
	}
	if len(b.any) == 0 {
		return b.parts[p[0]]
	}
	return append(append([]int(nil), b.any...), b.parts[p[0]]...)
}
