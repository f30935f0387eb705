package acl

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/oci"
)

// benchmarkRules makes n rules: literal accounts and names, globs, anchored
// regexes with a literal start, and of each hundred slow regexes without one.
func benchmarkRules(n, slow int) Config {
	c := make(Config, n)
	for i := range c {
		m := &Match{Type: ptr(oci.Repository)}
		switch {
		case (i+50)%100 < slow:
			m.Name = ptr(fmt.Sprintf(`/^[a-z]+-[0-9]+\/x%d$/`, i))
		case i%4 == 0:
			m.Account, m.Name = ptr(fmt.Sprintf("robot-%d", i)), ptr("*/*")
		case i%4 == 1:
			m.Name = ptr(fmt.Sprintf("team-%d/app", i))
		case i%4 == 2:
			m.Account, m.Name = ptr("/.+/"), ptr(fmt.Sprintf("team-%d/*", i))
		default:
			m.Name = ptr(fmt.Sprintf(`/^proj-%d\/.+$/`, i))
		}
		c[i] = Rule{Match: m, Actions: []string{"pull", "push"}}
	}
	return c
}

// benchmarkAsks are asks that meet rules of each kind, at the start, in the
// middle and at the end, and some that meet none.
func benchmarkAsks(n int) []Ask {
	asks := []Ask{asking("nobody", "other/app", nil), asking("alice", "team-x/app", nil)}
	for _, i := range []int{0, n / 2 / 4 * 4, (n - 4) / 4 * 4} {
		asks = append(asks,
			asking(fmt.Sprintf("robot-%d", i), "some/app", nil),
			asking("alice", fmt.Sprintf("team-%d/app", i+1), nil),
			asking("bob", fmt.Sprintf("team-%d/tool", i+2), nil),
			asking("carol", fmt.Sprintf("proj-%d/a/b", i+3), nil))
	}
	return asks
}

// benchmarkMiss is what slow regexes cost most for: no rule matches, and each
// regex sees that only at the end.
func benchmarkMiss() []Ask { return []Ask{asking("nobody", "other-4711/xylo", nil)} }

func benchmarkAllow(b *testing.B, c Config, asks []Ask) {
	l := mustCompile(b, c)
	b.ReportAllocs()
	before := cpuTime(b)
	for i := 0; b.Loop(); i++ {
		l.allow(asks[i%len(asks)])
	}
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
}

// cpuTime is that of the process, which is the measure where others use the
// machine too.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkAllow(b *testing.B) {
	for _, kind := range []struct {
		name string
		slow int // of 100
	}{{"literal", 0}, {"one_in_100_slow", 1}, {"all_slow", 100}} {
		for _, n := range []int{10, 100, 1_000, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", kind.name, n), func(b *testing.B) {
				asks := benchmarkMiss()
				if kind.slow == 0 {
					asks = benchmarkAsks(n)
				}
				benchmarkAllow(b, benchmarkRules(n, kind.slow), asks)
			})
		}
	}
}

// BenchmarkAllowVariables is what the rules of many installations come down to.
func BenchmarkAllowVariables(b *testing.B) {
	labels := map[string]string{"glob": "${account}/*", "regex": `/^${account}\/.+$/`, "labels": "${labels:group}/*"}
	id := asking("alice", "alice/app", nil).Identity
	id.Labels = authn.Labels{"group": literal("web", "dev", "alice")}
	for name, pattern := range labels {
		for _, repo := range []string{"alice/app", "bob/app"} {
			b.Run(name+"/"+repo[:3], func(b *testing.B) {
				a := asking("alice", repo, nil)
				a.Identity = id
				benchmarkAllow(b, Config{{Match: &Match{Name: &pattern}, Actions: []string{"pull"}}}, []Ask{a})
			})
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	c := benchmarkRules(10_000, 1)
	for b.Loop() {
		mustCompile(b, c)
	}
}

// benchmarkLabelRules make n rules of the kinds that directories lead to: for
// a group by its name and for all groups with a prefix, for what a group
// names, and some in which labels multiply.
func benchmarkLabelRules(n int) Config {
	c := make(Config, n)
	for i := range c {
		m := &Match{}
		switch {
		case i%1000 == 999:
			m.Name = ptr("${labels:group}/${labels:project}-${labels:tier}")
		case i%4 == 0:
			m.Labels = map[string]string{"group": fmt.Sprintf("cn-%d", i)}
		case i%4 == 1:
			m.Labels, m.Name = map[string]string{"group": fmt.Sprintf("cn-%d-*", i)}, ptr(fmt.Sprintf("team-%d/*", i))
		case i%4 == 2:
			m.Labels, m.Name = map[string]string{"group": "cn-7"}, ptr(fmt.Sprintf("shared-%d/${labels:project}", i))
		default:
			m.Name = ptr(fmt.Sprintf(`/^proj-%d\/${labels:group}\/.+$/`, i))
		}
		c[i] = Rule{Match: m, Actions: []string{"pull", "push"}}
	}
	return c
}

// benchmarkLabelled has 200 values of labels, of which the rules name few.
func benchmarkLabelled(repo string) Ask {
	a := asking("alice", repo, authn.Labels{})
	for i := range 100 {
		a.Identity.Labels["group"] = append(a.Identity.Labels["group"], authn.Label{Value: fmt.Sprintf("cn-%d", 4*i+1)})
		a.Identity.Labels["project"] = append(a.Identity.Labels["project"], authn.Label{Value: fmt.Sprintf("p%d", i)})
	}
	return a
}

// BenchmarkAllowLabels is 10,000 rules for somebody with 200 labels.
func BenchmarkAllowLabels(b *testing.B) {
	c := benchmarkLabelRules(10_000)
	for name, repo := range map[string]string{
		"none": "other/app", "group": "team-5/app", "shared": "shared-9998/p99", "regex": "proj-9995/cn-1/app", "many": "cn-1/p1-p11-p12-cn-13",
	} {
		b.Run(name, func(b *testing.B) { benchmarkAllow(b, c, []Ask{benchmarkLabelled(repo)}) })
	}
}

// BenchmarkAllowMostCombinations is the worst that a user with labels and a
// name of the longest kind can do to a rule: as many tries as there may be.
func BenchmarkAllowMostCombinations(b *testing.B) {
	for name, c := range map[string]struct {
		pattern string
		values  int
	}{
		"glob":  {"*${labels:x}*${labels:y}*${labels:z}*!", 10},
		"regex": {"/^.*(?:${labels:x})+(?:${labels:y})+!$/", 8},
	} {
		b.Run(name, func(b *testing.B) {
			var values []string
			for i := range c.values {
				values = append(values, strings.Repeat("a", i+1))
			}
			a := asking("bob", strings.Repeat("a", 255), authn.Labels{"x": literal(values...), "y": literal(values...), "z": literal(values...)})
			benchmarkAllow(b, Config{{Match: &Match{Name: &c.pattern}, Actions: []string{"pull"}}}, []Ask{a})
		})
	}
}
