package authn

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// A finder knows an account in any case, and by whom it is found; with an error,
// it has that instead.
type finder struct {
	Authenticator
	account, by string
	err         error
}

func (f finder) Find(_ context.Context, account string) (Identity, error) {
	if f.err != nil {
		return Identity{Account: account}, f.err
	}
	if !strings.EqualFold(account, f.account) {
		return Identity{}, fmt.Errorf("%w: not here", ErrUnknownUser)
	}
	return Identity{Account: f.account, Labels: Labels{"by": {{Value: f.by}}}}, nil
}

// exactly finds an account as it is written, and nobody else.
type exactly struct{ finder }

func (e exactly) Find(ctx context.Context, account string) (Identity, error) {
	if e.err == nil && account != e.account {
		return Identity{}, ErrUnknownUser
	}
	return e.finder.Find(ctx, account)
}

var (
	one  = exactly{finder{account: "alice", by: "one"}}
	two  = finder{account: "alice", by: "two"}
	down = finder{err: errDown}
)

func TestChainFind(t *testing.T) {
	for _, tt := range []struct {
		name    string
		chain   Chain
		account string
		by      string
		wantErr error
	}{
		{"empty", nil, "alice", "", ErrUnknownUser},
		{"first knows", Chain{one, two}, "alice", "one", nil},
		{"second knows", Chain{exactly{finder{account: "bob"}}, two}, "alice", "two", nil},
		{"nobody knows", Chain{one, two}, "bob", "", ErrUnknownUser},
		{"first cannot tell", Chain{down, two}, "alice", "", errDown},
		{"second cannot tell, and is not asked", Chain{one, down}, "alice", "one", nil},
		{"second cannot tell", Chain{one, down}, "bob", "", errDown},
		{"one that cannot find is skipped", Chain{answers("alice", nil), two}, "alice", "two", nil},
		{"none that can find", Chain{answers("alice", nil)}, "alice", "", ErrUnknownUser},
		{"another spelling", Chain{two}, "ALICE", "two", nil},
		{"the name that is meant is that of one before", Chain{one, answers("", nil), two}, "Alice", "one", nil},
		{"the name that is meant is of nobody before", Chain{exactly{finder{account: "bob"}}, two}, "Alice", "two", nil},
		{"of the name that is meant one before cannot tell", Chain{about{"alice"}, two}, "Alice", "", errDown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id, err := tt.chain.Find(t.Context(), tt.account)
			by := ""
			if len(id.Labels["by"]) > 0 {
				by = id.Labels["by"][0].Value
			}
			if by != tt.by || !errors.Is(err, tt.wantErr) || (err == nil) != (id.Account == "alice") {
				t.Errorf("Find(%q) = %+v, %v; want it by %q, %v", tt.account, id, err, tt.by, tt.wantErr)
			}
		})
	}
}

// about cannot tell about one account, and knows no other.
type about struct{ account string }

func (about) Authenticate(context.Context, Credentials) (Identity, error) { return Identity{}, errDown }

func (a about) Find(_ context.Context, account string) (Identity, error) {
	if account == a.account {
		return Identity{}, errDown
	}
	return Identity{}, ErrUnknownUser
}
