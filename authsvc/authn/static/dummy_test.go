package static

import (
	"context"
	"errors"
	"testing"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/password"
)

// TestNoPasswordIsCompared: a comparison can be given up while it runs, which
// tells it from an answer that needed none.
func TestNoPasswordIsCompared(t *testing.T) {
	users := New(Config{"alice": {Password: "$2a$12" + emptyHash[6:]}, "guest": {AnyPassword: true}, "ci": {NoPassword: true}}, password.NewPool(password.Options{}))
	ctx, giveUp := context.WithCancel(t.Context())
	giveUp()
	for _, account := range []string{"alice", "guest", "ci"} {
		_, err := users.Authenticate(ctx, authn.Credentials{Account: account})
		if !errors.Is(err, context.Canceled) || !errors.Is(err, authn.ErrUndecided) {
			t.Errorf("%s without a password = %v, at once", account, err)
		}
	}
}

func TestCostIsTheHighest(t *testing.T) {
	for want, cfg := range map[int]Config{
		0:  {"guest": {AnyPassword: true}, "": {}},
		12: {"a": {Password: "$2a$05" + emptyHash[6:]}, "b": {Password: "$2a$12" + emptyHash[6:]}, "c": {Password: emptyHash}},
	} {
		for range 20 { // in whatever order the map has
			if got := New(cfg, password.NewPool(password.Options{})).Cost(); got != want {
				t.Errorf("Cost() = %d, want %d", got, want)
			}
		}
	}
}
