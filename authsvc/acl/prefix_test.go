package acl

import (
	"testing"

	"github.com/regate/regate/internal/oci"
)

// Of rules filed under prefixes of each other, the first decides.
func TestNestedPrefixes(t *testing.T) {
	starts := []string{"team/a", "team-x/", "t", "team/", "team/ab", "tea", "ta"}
	actions := []string{"pull", "push", "delete"}
	for first, start := range starts {
		c := Config{{Match: &Match{Name: ptr("/^" + start + "/")}, Actions: actions[first%3 : first%3+1]}}
		for _, other := range starts {
			c = append(c, Rule{Match: &Match{Name: ptr("/^" + other + "/")}, Actions: []string{}})
		}
		want, _ := oci.ParseAction(actions[first%3])
		if got := mustCompile(t, c).allow(asking("x", start+"b/c", nil)).Actions; got != want {
			t.Errorf("allow(%sb/c) = %q, want %q", start, got, want)
		}
	}
}
