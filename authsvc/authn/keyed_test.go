package authn

import (
	"context"
	"errors"
	"testing"
)

// TestKeyed: who has vouched is known, also when the account is another one's
// than the name that was written, and a chain still sees who can look up.
func TestKeyed(t *testing.T) {
	down := errors.New("down")
	users := func(name string, err error) Authenticator {
		return Func(func(_ context.Context, c Credentials) (Identity, error) {
			switch {
			case err != nil:
				return Identity{}, err
			case c.Account != name:
				return Identity{}, ErrUnknownUser
			}
			return Identity{Account: name}, nil
		})
	}
	bob := finder{Authenticator: users("bob", nil), account: "bob"}
	chain := Chain{Keyed("first", users("alice", nil)), Keyed("second", bob), Keyed("third", users("", down)), Keyed("fourth", users("carol", nil))}
	for account, want := range map[string]string{"alice": "first", "bob": "second", "carol": "fourth"} {
		id, err := chain.Authenticate(t.Context(), Credentials{Account: account, Password: "p"})
		if err != nil || id.Via.Method != want || id.Account != account {
			t.Errorf("%s: %+v, %v; want it known by %s", account, id, err, want)
		}
	}
	if id, err := chain.Authenticate(t.Context(), Credentials{Account: "dave", Password: "p"}); !errors.Is(err, down) || id.Via.Method != "" {
		t.Errorf("nobody: %+v, %v", id, err)
	}
	if id, err := chain.Find(t.Context(), "bob"); err != nil || id.Via.Method != "second" {
		t.Errorf("Find = %+v, %v", id, err)
	}
	for i, want := range []bool{false, true, false, false} {
		if _, ok := chain[i].(Finder); ok != want {
			t.Errorf("chain[%d] is a Finder: %v", i, ok)
		}
	}
}
