package authsvc

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/guard"
	"github.com/regate/regate/authsvc/password"
	"github.com/regate/regate/internal/cache"
	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/state/local"
)

// guarded is a login that one password is right for, and counts what the chain
// is asked.
func guarded(t *testing.T) (l *Login, asked *atomic.Int64) {
	t.Helper()
	store, err := local.Open(t.Context(), local.Config{Path: t.TempDir()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	g, err := guard.New(guard.Config{}, guard.Deps{Limiter: store, Wrong: TurnedAway})
	if err != nil {
		t.Fatal(err)
	}
	asked = new(atomic.Int64)
	chain := authn.Func(func(_ context.Context, c authn.Credentials) (authn.Identity, error) {
		asked.Add(1)
		switch c.Password {
		case "right":
			return authn.Identity{Account: c.Account}, nil
		case "down":
			return authn.Identity{}, errors.New("directory is down")
		}
		return authn.Identity{}, authn.ErrWrongPassword
	})
	decoy := func(context.Context, string) error { return nil }
	return NewLogin(chain, password.NewCache[authn.Identity](cache.Options{}), g, decoy), asked
}

func (l *Login) as(from, account, secret string) error {
	_, err := l.Authenticate(context.Background(), authn.Credentials{Account: account, Password: authn.Secret(secret), From: netip.MustParseAddr(from)})
	return err
}

func isLimited(err error) bool {
	var l *guard.Limited
	return errors.As(err, &l)
}

// TestGuessesDoNotHoldUpTheOwner: from a network that has just logged in come a
// thousand guesses in a second.
func TestGuessesDoNotHoldUpTheOwner(t *testing.T) {
	l, asked := guarded(t)
	if err := l.as("192.0.2.1", "dev", "right"); err != nil {
		t.Fatal(err)
	}
	asked.Store(0)
	var all sync.WaitGroup
	var limited atomic.Int64
	for i := range 1000 {
		all.Go(func() {
			if isLimited(l.as("192.0.2.7", "dev", fmt.Sprint("guess", i))) {
				limited.Add(1)
			}
		})
	}
	all.Wait()
	if n := limited.Load(); n != 990 || asked.Load() != 10 {
		t.Errorf("%d of 1000 guesses were limited, and the chain asked about %d; want 990 and 10", n, asked.Load())
	}
	if err := l.as("192.0.2.1", "dev", "right"); err != nil {
		t.Errorf("the owner behind the same address: %v", err)
	}
	if err := l.as("198.51.100.1", "dev", "right"); err != nil {
		t.Errorf("the owner, from elsewhere: %v", err)
	}
	if err := l.as("198.51.100.1", "dev", "down"); isLimited(err) {
		t.Errorf("another network is limited: %v", err)
	}
}

// TestGuessesCountThatNobodyWaitsFor: a directory says at once that a password
// is wrong. Whoever leaves in the time that is spent after that, or finds no
// room in the queue for it, has made a guess all the same, and would have been
// let in by a right one.
func TestGuessesCountThatNobodyWaitsFor(t *testing.T) {
	for name, decoy := range map[string]func(leave func()) error{
		"who leaves":        func(leave func()) error { leave(); return context.Canceled },
		"who finds no room": func(func()) error { return authn.ErrBusy },
	} {
		l, asked := guarded(t)
		for i := range 30 {
			ctx, leave := context.WithCancel(t.Context())
			l.decoy = func(context.Context, string) error { return decoy(leave) }
			_, err := l.Authenticate(ctx, authn.Credentials{Account: "dev", Password: authn.Secret(fmt.Sprint("guess", i)), From: netip.MustParseAddr("192.0.2.1")})
			if TurnedAway(err) {
				t.Errorf("%s: guess %d is refused at once: %v", name, i, err)
			}
			leave()
		}
		if n := asked.Load(); n > 10 {
			t.Errorf("%s: the chain was asked about %d guesses, want 10 at most", name, n)
		}
	}
}

// TestLimitedLoginIs429: what the client gets, and that the same password by
// POST and then by GET is one guess.
func TestLimitedLoginIs429(t *testing.T) {
	r := newRig(t)
	l, asked := guarded(t)
	r.service.users = l
	h := edge.Stack(edge.Handler(r.service.ServeToken), edge.LimitBodies(edge.DefaultBodyLimits()))
	send := func(s shown) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, s.request())
		return w
	}
	for i := range 10 {
		secret := fmt.Sprint("wrong", i)
		post := send(shown{method: "POST", body: "grant_type=password&service=registry.test&username=dev&password=" + secret})
		get := send(shown{method: "GET", basic: "dev:" + secret})
		if post.Code != 401 || get.Code != 401 {
			t.Fatalf("guess %d: %d, then %d", i, post.Code, get.Code)
		}
	}
	if n := asked.Load(); n != 10 {
		t.Errorf("the chain was asked %d times about 10 passwords", n)
	}
	w := send(shown{method: "GET", basic: "dev:one more"})
	if w.Code != 429 || w.Header().Get("Retry-After") != "30" {
		t.Errorf("%d, Retry-After %q; want 429 and 30", w.Code, w.Header().Get("Retry-After"))
	}
}
