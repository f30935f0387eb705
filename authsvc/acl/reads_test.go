package acl

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/oci"
)

// anywhere is a Decider that asks outside.
type anywhere struct{}

func (anywhere) Decide(context.Context, Ask) (oci.Actions, bool, error) { return 0, false, nil }

func TestRead(t *testing.T) {
	text := func(s string) *string { return &s }
	rules := func(c ...Rule) *List {
		l, err := Compile(c)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	condition := rules(Rule{Match: &Match{Labels: map[string]string{"group": "dev"}}, Actions: []string{"pull"}})
	variable := rules(
		Rule{Match: &Match{Account: text("a")}, Actions: []string{"*"}},
		Rule{Match: &Match{Name: text("${labels:team}/*")}, Actions: []string{"pull"}},
		Rule{Match: &Match{Name: text("/^${labels:unit}-x/")}, Actions: []string{}},
	)
	all := authn.Labels{"group": {{Value: "dev"}}, "team": {{Value: "a", Pattern: true}}, "unit": nil, "other": {{Value: "o"}}}
	tests := []struct {
		name  string
		chain Chain
		want  []string
	}{
		{"nobody", nil, nil},
		{"no labels", Chain{rules(Rule{Match: &Match{}, Actions: []string{"*"}})}, nil},
		{"condition", Chain{condition}, []string{"group"}},
		{"variables", Chain{variable}, []string{"team", "unit"}},
		{"both", Chain{condition, variable}, []string{"group", "team", "unit"}},
		{"who knows", Chain{condition, anywhere{}}, []string{"group", "other", "team", "unit"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.chain.Read(all)
			if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, tt.want) {
				t.Errorf("Read() has %v, want %v", names, tt.want)
			}
			if len(tt.want) > 1 && len(got["team"]) > 0 && got["team"][0] != all["team"][0] {
				t.Errorf("Read() has changed a value: %v", got)
			}
		})
	}
	if len(all) != 4 {
		t.Errorf("Read() has taken labels away: %v", all)
	}
}
