package authsvc

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/internal/state"
)

// basic is the header of a client that logs in with each request.
func basic(userPassword string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(userPassword))
}

func needs(scopes string) []oci.Access {
	s, err := oci.ParseScope([]string{scopes})
	if err != nil {
		panic(err)
	}
	return s
}

func (r *rig) enter(t testing.TB, header, scopes string) (oci.Grant, error) {
	t.Helper()
	shown := oci.Shown{Authorization: oci.NewSecret(header), From: netip.MustParseAddr("192.0.2.1")}
	return r.door.Authorize(t.Context(), shown, needs(scopes))
}

// refused is what err says of a refusal: "reason: message".
func refused(err error) string {
	var refusal *oci.Refusal
	if !errors.As(err, &refusal) {
		return fmt.Sprintf("no refusal: %v", err)
	}
	return string(refusal.Reason) + ": " + refusal.Msg
}

var basicTests = []struct {
	name   string
	header string
	needs  string
	want   string // account, or what the refusal says
}{
	{"what the rules grant", basic("dev:dev secret"), "repository:web/shop:pull,push", "dev"},
	{"a part is not enough", basic("dev:dev secret"), "repository:web/shop:pull,delete", "insufficient_scope: dev may not delete in web/shop"},
	{"what they do not", basic("dev:dev secret"), "repository:ops/x:pull", "insufficient_scope: dev may not pull from ops/x"},
	{"both sides of a mount", basic("dev:dev secret"), "repository:web/shop:pull,push repository:pub/x:pull", "dev"},
	{"one side of a mount", basic("dev:dev secret"), "repository:web/shop:pull,push repository:ops/x:pull", "insufficient_scope: dev may not pull from ops/x"},
	{"nothing, for /v2/", basic("dev:dev secret"), "", "dev"},
	{"the catalog", basic("admin:admin secret"), "registry:catalog:*", "admin"},
	{"the catalog, not for everybody", basic("dev:dev secret"), "registry:catalog:*", "insufficient_scope: dev may not list all repositories"},
	{"scheme in any case", strings.Replace(basic("dev:dev secret"), "Basic", "bAsIc", 1), "", "dev"},
	{"wrong password", basic("dev:no"), "repository:pub/x:pull", ": wrong user name or password"},
	{"wrong password at /v2/", basic("dev:no"), "", ": wrong user name or password"},
	{"unknown user reads the same", basic("eve:no"), "", ": wrong user name or password"},
	{"no password", basic("dev:"), "", ": wrong user name or password"},
	{"nobody is not the anonymous", basic(":"), "repository:pub/x:pull", ": authentication required"},
	{"refresh token", basic(":rt"), "", ": " + refreshHere},
	{"refresh token as helpers keep it", basic("<token>:rt"), "", ": " + refreshHere},
	{"no colon", "Basic " + base64.StdEncoding.EncodeToString([]byte("dev")), "", ": log in with Basic credentials"},
	{"no base64", "Basic ???", "", ": log in with Basic credentials"},
	{"nothing after it", "Basic", "", ": log in with Basic credentials"},
	{"control characters", basic("dev\x00:dev secret"), "", ": wrong user name or password"},
	{"no UTF-8", basic("dev\xff:dev secret"), "", ": wrong user name or password"},
	{"long account", basic(strings.Repeat("d", 257) + ":x"), "", ": wrong user name or password"},
	{"long password", basic("dev:" + strings.Repeat("x", 4097)), "", ": wrong user name or password"},
	{"another scheme", "Negotiate abc", "repository:pub/x:pull", ": authentication required"},
}

func TestBasicAtTheDoor(t *testing.T) {
	r := newRig(t)
	for _, tt := range basicTests {
		t.Run(tt.name, func(t *testing.T) {
			grant, err := r.enter(t, tt.header, tt.needs)
			if got := grant.Subject; err == nil && (got != tt.want || grant.Anonymous() || grant.ID != "" || grant.Bearer.Reveal() != "") {
				t.Errorf("Authorize() = %v, want %s", grant, tt.want)
			}
			if err != nil && refused(err) != tt.want {
				t.Errorf("Authorize() = %q, want %q", refused(err), tt.want)
			}
		})
	}
}

// TestGrantIsForTheRequestAlone: an admin's request to pull must not be able to
// do more, should a part of the gate take the grant for more.
func TestGrantIsForTheRequestAlone(t *testing.T) {
	grant, err := newRig(t).enter(t, basic("admin:admin secret"), "repository:ops/x:pull")
	if err != nil || grant.Scope.String() != "repository:ops/x:pull" {
		t.Errorf("Authorize() = %v, %v", grant, err)
	}
}

// TestDoorCannotTell: what is nobody's fault is not said to be the user's.
func TestDoorCannotTell(t *testing.T) {
	for _, tt := range []struct {
		name   string
		chain  authn.Authenticator
		header string
		want   oci.Kind
	}{
		{"directory is down", broken(errDown), basic("eve:x"), oci.Unavailable},
		{"too many at once", broken(authn.ErrBusy), basic("eve:x"), oci.TooMany},
		{"program for the rules is gone", broken(errDown), basic("dev:dev secret"), oci.Unavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, tt.chain)
			r.outside = answers(oci.All, true, errAway)
			_, err := r.enter(t, tt.header, "repository:ops/x:pull")
			var e *oci.Error
			if !errors.As(err, &e) || e.Kind != tt.want || e.Header.Get("Retry-After") == "" {
				t.Errorf("Authorize() = %#v, want %s with Retry-After", err, tt.want)
			}
		})
	}
}

// TestTokensAreNotShownAsPasswords to those who could write them down.
func TestTokensAreNotShownAsPasswords(t *testing.T) {
	r := newRig(t)
	for secret, want := range map[string]string{"rgt_x": badToken, "eyJhbGciOiJIUzI1NiJ9.e30.x": badLogin} {
		if _, err := r.enter(t, basic("dev:"+secret), ""); refused(err) != ": "+want {
			t.Errorf("Authorize() = %v", err)
		}
	}
	if n := r.asked.Load(); n != 0 {
		t.Errorf("the chain was asked %d times", n)
	}
}

// TestDoorAndServiceShareTheMemory of good passwords: a client that pulls a
// hundred layers with Basic costs one comparison.
func TestDoorAndServiceShareTheMemory(t *testing.T) {
	r := newRig(t)
	for range 3 {
		if _, err := r.enter(t, basic("dev:dev secret"), "repository:web/shop:pull"); err != nil {
			t.Fatal(err)
		}
		r.ask(t, shown{method: "GET", basic: "dev:dev secret"})
	}
	if got := r.asked.Load(); got != 1 {
		t.Errorf("the chain was asked %d times for one password, want once", got)
	}
}

// TestDoorAsksTheRulesLikeTheService: the same rules see the same.
func TestDoorAsksTheRulesLikeTheService(t *testing.T) {
	r := newRig(t)
	var got []acl.Ask
	r.outside = func(a acl.Ask) (oci.Actions, bool, error) {
		got = append(got, a)
		return a.Want.Actions, true, nil
	}
	if _, err := r.enter(t, basic("dev:dev secret"), "repository:ops/x:pull"); err != nil || len(got) != 1 {
		t.Fatalf("%v, asked %v", err, got)
	}
	a := got[0]
	if a.Identity.Account != "dev" || a.Identity.Labels["team"][0].Value != "web" || a.Service != "registry.test" ||
		a.From != netip.MustParseAddr("192.0.2.1") || a.Want.String() != "repository:ops/x:pull" {
		t.Errorf("asked for %+v", a)
	}
}

// TestRevokedForLonger: an account that is shut out until tomorrow gets no
// token that would work, nor in without one. One whose tokens were revoked
// until now logs in again.
func TestRevokedForLonger(t *testing.T) {
	r := newRig(t)
	for _, tt := range []struct {
		until time.Duration
		want  string
	}{{-time.Minute, "no refusal: <nil>"}, {time.Hour, ": access was revoked"}} {
		at := fmt.Append(nil, time.Now().Add(tt.until).Unix())
		if _, err := r.store.Put(t.Context(), "revoked/subject/dev", at, state.PutOpts{}); err != nil {
			t.Fatal(err)
		}
		r.reopen(t)
		if _, err := r.enter(t, basic("dev:dev secret"), ""); refused(err) != tt.want {
			t.Errorf("revoked until %s: %s, want %s", tt.until, refused(err), tt.want)
		}
		if _, err := r.enter(t, basic("admin:admin secret"), ""); err != nil {
			t.Errorf("another account is refused: %v", err)
		}
	}
}

func BenchmarkBasicAtTheDoor(b *testing.B) {
	r := newRig(b)
	want, shown := needs("repository:web/shop:pull"), oci.Shown{Authorization: oci.NewSecret(basic("dev:dev secret"))}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.door.Authorize(b.Context(), shown, want); err != nil {
			b.Fatal(err)
		}
	}
}

// TestRevokedByTheAccountThatIsMeant, whatever was shown for it.
func TestRevokedByTheAccountThatIsMeant(t *testing.T) {
	r := newRig(t, authn.Func(func(context.Context, authn.Credentials) (authn.Identity, error) {
		return authn.Identity{Account: "mallory"}, nil
	}))
	r.service.certs = byCommonName
	for _, account := range []string{"dev", "mallory"} {
		if _, err := r.store.Put(t.Context(), "revoked/subject/"+account, fmt.Append(nil, time.Now().Add(time.Hour).Unix()), state.PutOpts{}); err != nil {
			t.Fatal(err)
		}
	}
	r.reopen(t)
	for name, shown := range map[string]oci.Shown{
		"certificate":      {Chains: chainOf("dev")},
		"another spelling": {Authorization: oci.NewSecret(basic("Mallory:x"))},
	} {
		_, err := r.door.Authorize(t.Context(), shown, needs("repository:pub/x:pull"))
		if got, want := refused(err), ": access was revoked"; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestNobodyIsAskedAboutWhatIsNoAccount: it would be in the log of a program.
func TestNobodyIsAskedAboutWhatIsNoAccount(t *testing.T) {
	r := newRig(t)
	for _, pair := range []string{"dev\n:x", "dev\xff:x", strings.Repeat("d", 257) + ":x", "dev:" + strings.Repeat("x", 4097)} {
		_, err := r.enter(t, basic(pair), "repository:pub/x:pull")
		if asked := r.asked.Load(); asked != 0 || refused(err) != ": "+badLogin {
			t.Errorf("%.20q: asked %d times, %s", pair, asked, refused(err))
		}
	}
}
