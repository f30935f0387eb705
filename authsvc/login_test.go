package authsvc

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/password"
	"github.com/regate/regate/internal/cache"
)

// TestRefusalsTakeAsLong: whoever is refused costs what a comparison does, and
// nobody does a second time.
func TestRefusalsTakeAsLong(t *testing.T) {
	hash, err := password.Hash("another", 4)
	if err != nil {
		t.Fatal(err)
	}
	pool := password.NewPool(password.Options{})
	compares := authn.Func(func(ctx context.Context, c authn.Credentials) (authn.Identity, error) {
		return authn.Identity{}, pool.Compare(ctx, hash, c.Password.Reveal())
	})
	imitates := authn.Func(func(ctx context.Context, _ authn.Credentials) (authn.Identity, error) {
		return authn.Identity{}, errors.Join(pool.Absent(ctx, 4, ""), authn.ErrWrongPassword)
	})
	for _, tt := range []struct {
		name  string
		chain authn.Authenticator
		decoy error
		want  error
		calls int // of the decoy
	}{
		{"unknown", broken(authn.ErrUnknownUser), nil, authn.ErrUnknownUser, 1},
		{"unknown, and too many wait", broken(authn.ErrUnknownUser), authn.ErrBusy, authn.ErrBusy, 1},
		{"wrong password in a directory", broken(authn.ErrWrongPassword), nil, authn.ErrWrongPassword, 1},
		{"wrong password that was compared", compares, nil, authn.ErrWrongPassword, 0},
		{"no password", imitates, nil, authn.ErrWrongPassword, 0},
		{"directory is down", broken(errDown), nil, errDown, 0},
		{"right password", broken(nil), nil, nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			calls := 0
			l := NewLogin(tt.chain, password.NewCache[authn.Identity](cache.Options{}), nil, func(_ context.Context, password string) error {
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
	for _, secret := range []authn.Secret{"rgt_x", "eyJhbGciOiJIUzI1NiJ9.e30.x", "eyJhbGciOiJub25lIn0.e30.", "eyJ.damaged."} {
		asked := authn.Func(func(context.Context, authn.Credentials) (authn.Identity, error) {
			t.Errorf("the chain was asked about %s", secret.Reveal())
			return authn.Identity{}, nil
		})
		l := NewLogin(asked, password.NewCache[authn.Identity](cache.Options{}), nil, nil)
		if _, err := l.Authenticate(t.Context(), authn.Credentials{Account: "eve", Password: secret}); !errors.Is(err, authn.ErrUnknownUser) {
			t.Errorf("Authenticate() with %s = %v", secret.Reveal(), err)
		}
	}
}

// TestOneNetworkDoesNotFillTheQueue, which has room for all that log in here.
// Half of it is for those of one network.
func TestOneNetworkDoesNotFillTheQueue(t *testing.T) {
	const logins = 48
	quick, err := password.Hash("secret", 4)
	slow, wrong := password.Hash("secret", 10) // keeps the one worker busy until all have come
	if err = errors.Join(err, wrong); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		from func(byte) netip.Addr
		busy bool
	}{
		"one network": {func(i byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, i}) }, true},
		"many":        {func(i byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, i, 2}) }, false},
	} {
		pool := password.NewPool(password.Options{Workers: 1, Queue: logins + 1})
		begun := make(chan struct{})
		l := NewLogin(authn.Func(func(ctx context.Context, c authn.Credentials) (authn.Identity, error) {
			if c.Account == "first" {
				close(begun)
				return authn.Identity{}, pool.Compare(ctx, slow, c.Password.Reveal())
			}
			return authn.Identity{}, pool.Compare(ctx, quick, c.Password.Reveal())
		}), password.NewCache[authn.Identity](cache.Options{}), nil, nil)
		var busy atomic.Int64
		var all, ready sync.WaitGroup
		all.Go(func() {
			first := authn.Credentials{Account: "first", Password: "no", From: netip.MustParseAddr("198.51.100.1")}
			if _, err := l.Authenticate(t.Context(), first); !errors.Is(err, authn.ErrWrongPassword) {
				t.Errorf("%s: Authenticate() of the first = %v", name, err)
			}
		})
		<-begun
		ready.Add(logins)
		for i := range byte(logins) {
			all.Go(func() {
				ready.Done()
				ready.Wait() // so that all come at once
				cred := authn.Credentials{Account: "eve", Password: authn.Secret(fmt.Sprint("guess ", i)), From: tt.from(i)}
				if _, err := l.Authenticate(t.Context(), cred); errors.Is(err, authn.ErrBusy) {
					busy.Add(1)
				} else if !errors.Is(err, authn.ErrWrongPassword) {
					t.Errorf("%s: Authenticate() = %v", name, err)
				}
			})
		}
		all.Wait()
		if got := busy.Load(); (got > 0) != tt.busy {
			t.Errorf("%s: %d of %d are refused", name, got, logins)
		}
	}
}

// TestBackEndsNameNobodyOddly: what a back end makes of a name goes into tokens
// and logs, and so has to be one, as what was typed.
func TestBackEndsNameNobodyOddly(t *testing.T) {
	for _, name := range []string{"eve\x00", "eve\nadmin", "\xff", strings.Repeat("e", 257)} {
		l := NewLogin(authn.Func(func(context.Context, authn.Credentials) (authn.Identity, error) {
			return authn.Identity{Account: name}, nil
		}), password.NewCache[authn.Identity](cache.Options{}), nil, nil)
		if id, err := l.Authenticate(t.Context(), authn.Credentials{Account: "eve", Password: "secret"}); !errors.Is(err, errNoName) {
			t.Errorf("Authenticate() of a back end that says %q = %q, %v", name, id.Account, err)
		}
	}
}
