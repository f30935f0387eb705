package acl

import (
	"fmt"
	"testing"

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
	for i := 0; b.Loop(); i++ {
		l.allow(asks[i%len(asks)])
	}
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
