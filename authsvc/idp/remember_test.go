package idp

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A clock is moved by hand.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time           { return time.Unix(1e9, c.at.Load()) }
func (c *clock) forward(by time.Duration) { c.at.Add(int64(by)) }

func TestRemembered(t *testing.T) {
	var c clock
	loads, down := 0, error(nil)
	r := remembered[int]{now: c.now, load: func(context.Context) (int, error) { loads++; return loads, down }}
	errDown := errors.New("down")
	for _, step := range []struct {
		name    string
		down    error
		forward time.Duration
		want    int
		wantErr error
		loads   int
	}{
		{"down at first", errDown, 0, 0, errDown, 1},
		{"not asked again at once", nil, failurePause - 1, 0, errDown, 1},
		{"asked again soon", nil, 1, 2, nil, 2},
		{"kept", nil, time.Minute - 1, 2, nil, 2},
		{"old", nil, 1, 3, nil, 3},
		{"old, and down", errDown, time.Hour, 3, nil, 4},
		{"still down", errDown, failurePause - 1, 3, nil, 4},
		{"up again", nil, 1, 5, nil, 5},
	} {
		c.forward(step.forward)
		down = step.down
		got, err := r.get(t.Context(), time.Minute)
		if step.wantErr == nil && got != step.want || !errors.Is(err, step.wantErr) || loads != step.loads {
			t.Errorf("%s: get() = %d, %v after %d loads; want %d, %v after %d", step.name, got, err, loads, step.want, step.wantErr, step.loads)
		}
	}
}

// TestWhoLeavesSpoilsNothing: that somebody closed a window is no failure of
// the provider.
func TestWhoLeavesSpoilsNothing(t *testing.T) {
	var c clock
	r := remembered[int]{now: c.now, load: func(ctx context.Context) (int, error) { return 1, ctx.Err() }}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.renew(gone); err == nil { // what get does when the last one leaves
		t.Error("somebody who had left got an answer")
	}
	if got, err := r.get(t.Context(), time.Minute); got != 1 || err != nil {
		t.Errorf("get() = %d, %v", got, err)
	}
}

// TestKeysAreAskedForSparingly: a flood of tokens by an unknown key asks the
// provider once a minute, and a key that is new is found.
func TestKeysAreAskedForSparingly(t *testing.T) {
	var c clock
	o := newOpenID(t)
	p := o.provider(t, nil)
	p.keys.set.now = c.now
	o.in(p)
	o.in(p)
	if n := o.times("/jwks"); n != 1 {
		t.Fatalf("keys were asked for %d times by two logins", n)
	}
	o.signing = signing{"RS256", "two", otherKey()}
	for range 5 {
		if _, err := o.login(p); err == nil {
			t.Fatal("a token by an unknown key was taken")
		}
	}
	if n := o.times("/jwks"); n != 1 {
		t.Errorf("keys were asked for %d times within a minute", n)
	}
	o.keys = []any{published("two", otherKey())}
	c.forward(keysPause)
	o.in(p)
	if n := o.times("/jwks"); n != 2 {
		t.Errorf("keys were asked for %d times for a new one", n)
	}
	// The key before is gone with them.
	o.signing = signing{"RS256", "one", rsaKey()}
	if _, err := o.login(p); err == nil {
		t.Error("a token by a key that was withdrawn was taken")
	}
}

// TestProviderMayBeDownAtFirst: nothing is asked before somebody logs in, and
// what is known serves on while the provider cannot be asked again.
func TestProviderMayBeDownAtFirst(t *testing.T) {
	var c clock
	o := newOpenID(t)
	o.broken("/", status(http.StatusBadGateway))
	p := o.provider(t, nil)
	p.document.now, p.keys.set.now = c.now, c.now
	if n := o.times("/.well-known/openid-configuration"); n != 0 {
		t.Errorf("discovery %d times by making it", n)
	}
	if _, err := o.login(p); err == nil || isRefusal(err) || !strings.Contains(err.Error(), "502") {
		t.Errorf("login while it is down: %v", err)
	}
	o.mended()
	c.forward(failurePause)
	o.in(p)
	c.forward(2 * documentLife)
	o.broken("/.well-known", status(http.StatusBadGateway))
	o.in(p)
	c.forward(2 * keysLife)
	o.broken("/jwks", status(http.StatusBadGateway))
	o.in(p)
}

func TestOneDiscoveryForAll(t *testing.T) {
	o := newOpenID(t)
	p := o.provider(t, nil)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := p.AuthURL(t.Context(), Start{Redirect: callback, State: someState, Nonce: someNonce, Verifier: someVerifier}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := o.times("/.well-known/openid-configuration"); n != 1 {
		t.Errorf("discovery %d times for 20 at once", n)
	}
}

func TestDiscovery(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(object)
		want   string
	}{
		"another issuer":      {func(d object) { d["issuer"] = "https://evil.test" }, "calls itself"},
		"a slash more":        {func(d object) { d["issuer"] = d["issuer"].(string) + "/" }, "calls itself"},
		"tokens in the open":  {func(d object) { d["token_endpoint"] = "http://elsewhere.test/token" }, "no https"},
		"keys in the open":    {func(d object) { d["jwks_uri"] = "http://elsewhere.test/jwks" }, "no https"},
		"pages in the open":   {func(d object) { d["authorization_endpoint"] = "http://elsewhere.test/" }, "no https"},
		"a script for a page": {func(d object) { d["authorization_endpoint"] = "javascript:alert(1)" }, "no https"},
		"no token endpoint":   {func(d object) { delete(d, "token_endpoint") }, "no https"},
		"userinfo elsewhere":  {func(d object) { d["userinfo_endpoint"] = "file:///etc/passwd" }, "no https"},
		"not an object":       {nil, "not the JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOpenID(t)
			o.broken("/.well-known", func(w http.ResponseWriter, _ *http.Request) {
				if tt.change == nil {
					answerJSON(w, []int{1})
					return
				}
				d := object{"issuer": o.url, "authorization_endpoint": o.url + "/authorize", "token_endpoint": o.url + "/token", "jwks_uri": o.url + "/jwks"}
				tt.change(d)
				answerJSON(w, d)
			})
			_, err := o.provider(t, nil).AuthURL(t.Context(), Start{Redirect: callback, State: someState, Nonce: someNonce, Verifier: someVerifier})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("AuthURL() = %v, want %q", err, tt.want)
			}
		})
	}
}

// TestHTTPSStaysHTTPS: a provider that is asked over TLS names no address on
// this machine.
func TestHTTPSStaysHTTPS(t *testing.T) {
	for _, tt := range []struct {
		address string
		plain   bool
		want    bool
	}{
		{"https://login.test/token", false, true}, {"https://login.test/token", true, true},
		{"http://127.0.0.1/token", true, true}, {"http://[::1]:80/", true, true}, {"http://localhost/", true, true},
		{"http://127.0.0.1/token", false, false}, {"http://localhost/", false, false},
		{"http://login.test/", true, false}, {"https://user@login.test/", false, false}, {"https:///token", false, false}, {"//login.test/", true, false},
	} {
		if got := reachable(tt.address, tt.plain); got != tt.want {
			t.Errorf("reachable(%q, %t) = %t", tt.address, tt.plain, got)
		}
	}
}
