package static

import (
	"errors"
	"reflect"
	"testing"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/password"
)

func TestFind(t *testing.T) {
	users := New(Config{
		"alice":  {Password: goodHash, Labels: map[string][]string{"team": {"web*"}}},
		"guest":  {AnyPassword: true},
		"ci":     {NoPassword: true, Labels: map[string][]string{"team": {"ops"}}},
		"closed": {Labels: map[string][]string{"team": {"web"}}},
		"":       {},
	}, password.NewPool(password.Options{}))
	for _, tt := range []struct {
		account string
		labels  authn.Labels
		want    error
	}{
		{"alice", authn.Labels{"team": {{Value: "web*", Pattern: true}}}, nil},
		{"guest", nil, nil},
		{"ci", authn.Labels{"team": {{Value: "ops", Pattern: true}}}, nil},
		{"Alice", nil, authn.ErrUnknownUser},
		{"alice ", nil, authn.ErrUnknownUser},
		{"mallory", nil, authn.ErrUnknownUser},
		{"closed", nil, authn.ErrUnknownUser},
		{"", nil, authn.ErrUnknownUser},
	} {
		id, err := users.Find(t.Context(), tt.account)
		want := authn.Identity{}
		if tt.want == nil {
			want = authn.Identity{Account: tt.account, Labels: tt.labels}
		}
		if !errors.Is(err, tt.want) || !reflect.DeepEqual(id, want) {
			t.Errorf("Find(%q) = %+v, %v; want %+v, %v", tt.account, id, err, want, tt.want)
		}
	}
	id, _ := users.Find(t.Context(), "alice")
	id.Labels["team"] = nil
	if again, _ := users.Find(t.Context(), "alice"); len(again.Labels["team"]) != 1 {
		t.Errorf("labels changed through an identity: %+v", again.Labels)
	}
}
