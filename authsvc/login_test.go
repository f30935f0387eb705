package authsvc

import (
	"context"
	"errors"
	"testing"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/password"
	"github.com/regate/regate/internal/cache"
)

// TestUnknownAccountsTakeAsLong: whoever is unknown costs what a comparison
// does, and nobody else does a second time.
func TestUnknownAccountsTakeAsLong(t *testing.T) {
	for _, tt := range []struct {
		name  string
		chain error // its answer
		decoy error
		want  error
		calls int // of the decoy
	}{
		{"unknown", authn.ErrUnknownUser, nil, authn.ErrUnknownUser, 1},
		{"unknown, and too many wait", authn.ErrUnknownUser, authn.ErrBusy, authn.ErrBusy, 1},
		{"wrong password", authn.ErrWrongPassword, nil, authn.ErrWrongPassword, 0},
		{"directory is down", errDown, nil, errDown, 0},
		{"right password", nil, nil, nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			calls := 0
			l := NewLogin(broken(tt.chain), password.NewCache[authn.Identity](cache.Options{}), func(_ context.Context, password string) error {
				if calls++; password != "secret" {
					t.Errorf("the decoy compares %q", password)
				}
				return tt.decoy
			})
			_, err := l.Authenticate(t.Context(), authn.Credentials{Account: "eve", Password: "secret"})
			if !errors.Is(err, tt.want) || calls != tt.calls {
				t.Errorf("Authenticate() = %v after %d comparisons with nothing, want %v after %d", err, calls, tt.want, tt.calls)
			}
		})
	}
}

// TestOwnTokensAreShownToNobody: neither an account that the chain knows nor
// one that it does not makes it see them.
func TestOwnTokensAreShownToNobody(t *testing.T) {
	for _, secret := range []authn.Secret{"rgt_x", "eyJhbGciOiJIUzI1NiJ9.e30.x"} {
		asked := authn.Func(func(context.Context, authn.Credentials) (authn.Identity, error) {
			t.Errorf("the chain was asked about %s", secret.Reveal())
			return authn.Identity{}, nil
		})
		l := NewLogin(asked, password.NewCache[authn.Identity](cache.Options{}), nil)
		if _, err := l.Authenticate(t.Context(), authn.Credentials{Account: "eve", Password: secret}); !errors.Is(err, authn.ErrUnknownUser) {
			t.Errorf("Authenticate() with %s = %v", secret.Reveal(), err)
		}
	}
}
