package authsvc

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/token"
	"github.com/regate/regate/internal/oci"
)

var rigNamespaces = []oci.Namespace{
	{Name: "docker.io", Prefix: "docker.io", Hosts: []string{"hub.example"}, Anonymous: true},
	{Name: "quay.io", Prefix: "quay.io", Hosts: []string{"quay.example"}},
	{Name: "localhost:5000", Prefix: "local5000"},
}

// newMirrorRig is a rig of a gate with mirrors. Everybody may pull from Docker
// Hub, and dev from anywhere. strangers are asked about who is not in the file.
func newMirrorRig(t *testing.T, strangers ...authn.Authenticator) *rig {
	t.Helper()
	r := newRig(t, strangers...)
	r.outside = func(a acl.Ask) (oci.Actions, bool, error) {
		if a.Identity.Account == "dev" || strings.HasPrefix(a.Want.Name, "docker.io/") {
			return a.Want.Actions & oci.Pull, true, nil
		}
		return 0, false, nil
	}
	r.service.namespaces = rigNamespaces
	chain := append(authn.Chain{fileOf(r)}, strangers...)
	r.service.guests = NewGuests(chain, func(finders authn.Chain) authn.Authenticator { return finders })
	revoked, err := token.OpenRevocations(t.Context(), r.store, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.door = NewDoor(token.NewVerifier(rigTokens, token.Parts{Keys: r.ring, Revoked: revoked, Namespaces: rigNamespaces}), r.service)
	return r
}

// A file is the accounts of the rig, which can be looked up.
type file struct{ authn.Authenticator }

func fileOf(r *rig) file { return file{r.login} }

func (file) Find(_ context.Context, account string) (authn.Identity, error) {
	if account == "dev" || account == "admin" {
		return authn.Identity{Account: account}, nil
	}
	return authn.Identity{}, authn.ErrUnknownUser
}

// at is a request for a token that comes to a host.
func (r *rig) at(t *testing.T, host string, s shown) (status int, text, scope string) {
	t.Helper()
	s.host = host
	w, body := r.ask(t, s)
	text, _ = body["token"].(string)
	scope, _ = body["scope"].(string)
	return w.Code, text, scope
}

const (
	hubService  = "registry.test/docker.io"
	quayService = "registry.test/quay.io"
)

var scopeTests = []struct{ name, service, scope, want string }{
	{"its own names", hubService, "repository:library/alpine:pull", "repository:docker.io/library/alpine:pull"},
	{"both forms at once, as containerd", hubService, "repository:library/alpine:pull&scope=repository:docker.io/library/alpine:pull", "repository:docker.io/library/alpine:pull"},
	{"what only we have under that name", hubService, "repository:web/shop:pull,push", "repository:docker.io/web/shop:pull"},
	{"another's prefix", hubService, "repository:quay.io/a:pull", "repository:docker.io/quay.io/a:pull"},
	{"another", quayService, "repository:library/alpine:pull", "repository:quay.io/library/alpine:pull"},
	{"port", "registry.test/localhost:5000", "repository:a:pull", "repository:local5000/a:pull"},
	{"ours", "registry.test", "repository:web/shop:pull+repository:docker.io/a:pull", "repository:docker.io/a:pull repository:web/shop:pull"},
	{"catalog, which dev may not list", hubService, "registry:catalog:*", ""},
}

func TestTokensForNamespaces(t *testing.T) {
	r := newMirrorRig(t)
	for _, tt := range scopeTests {
		t.Run(tt.name, func(t *testing.T) {
			status, _, scope := r.at(t, "gate.example", shown{method: "GET", query: "service=" + tt.service + "&scope=" + tt.scope, basic: "dev:dev secret"})
			if status != 200 || scope != tt.want {
				t.Errorf("%d, granted %s, want %s", status, scope, tt.want)
			}
		})
	}
	for _, service := range []string{"registry.test/evil.example", "registry.test/", "registry.test/local5000", "registry.test/docker.io/", "docker.io", "other/docker.io", "registry.test/Docker.io"} {
		if status, _, _ := r.at(t, "hub.example", shown{method: "GET", query: "service=" + service, basic: "dev:dev secret"}); status != 400 {
			t.Errorf("a token for %s: %d, want 400", service, status)
		}
	}
}

// TestTokensOpenOneNamespace has the same name in two namespaces and here.
func TestTokensOpenOneNamespace(t *testing.T) {
	r := newMirrorRig(t)
	tokens := make(map[string]string)
	for name, query := range map[string]string{
		"hub":  "service=" + hubService + "&scope=repository:web/shop:pull",
		"quay": "service=" + quayService + "&scope=repository:web/shop:pull",
		"ours": "service=registry.test&scope=repository:web/shop:pull",
		"full": "service=registry.test&scope=repository:docker.io/web/shop:pull",
	} {
		_, tokens[name], _ = r.at(t, "gate.example", shown{method: "GET", query: query, basic: "dev:dev secret"})
	}
	for _, tt := range []struct {
		token, namespace, name string
		want                   string // why it is refused
	}{
		{"hub", "docker.io", "docker.io/web/shop", ""},
		{"hub", "quay.io", "quay.io/web/shop", "invalid_token: token is for docker.io alone"},
		{"hub", "quay.io", "docker.io/web/shop", "invalid_token: token is for docker.io alone"},
		{"hub", "", "web/shop", "invalid_token: token is for docker.io alone"},
		{"hub", "", "docker.io/web/shop", "invalid_token: token is for docker.io alone"},
		{"hub", "docker.io", "web/shop", "insufficient_scope: dev may not pull from web/shop"},
		{"quay", "quay.io", "quay.io/web/shop", ""},
		{"quay", "docker.io", "docker.io/web/shop", "invalid_token: token is for quay.io alone"},
		{"ours", "", "web/shop", ""},
		{"ours", "docker.io", "docker.io/web/shop", "insufficient_scope: dev may not pull from docker.io/web/shop"},
		{"full", "docker.io", "docker.io/web/shop", ""},
		{"full", "", "docker.io/web/shop", ""},
		{"full", "quay.io", "quay.io/web/shop", "insufficient_scope: dev may not pull from quay.io/web/shop"},
	} {
		shown := oci.Shown{Authorization: oci.NewSecret("Bearer " + tokens[tt.token]), Namespace: tt.namespace}
		_, err := r.door.Authorize(t.Context(), shown, needs("repository:"+tt.name+":pull"))
		if tt.want == "" && err != nil || tt.want != "" && refused(err) != tt.want {
			t.Errorf("token %s for %s in %q: %v, want %q", tt.token, tt.name, tt.namespace, err, tt.want)
		}
	}
}

// A spy is a back end that cannot look accounts up, or not now, and sees every
// password that it is asked about.
type spy struct{ seen atomic.Int64 }

func (s *spy) Authenticate(_ context.Context, c authn.Credentials) (authn.Identity, error) {
	if !c.Anonymous() {
		s.seen.Add(1)
	}
	return authn.Identity{}, authn.ErrUnknownUser
}

var guestTests = []struct {
	name, host, service, basic string
	wantStatus                 int
	wantScope                  string
}{
	{"stranger", "hub.example", hubService, "hubuser:hub secret", 200, "repository:docker.io/library/alpine:pull"},
	{"stranger, with a port", "HUB.example:8443", hubService, "hubuser:hub secret", 200, "repository:docker.io/library/alpine:pull"},
	{"stranger whose password is a JWT", "hub.example", hubService, "hubuser:eyJhbGciOiJIUzI1NiJ9.e30.x", 200, "repository:docker.io/library/alpine:pull"},
	{"known user", "hub.example", hubService, "dev:dev secret", 200, "repository:docker.io/library/alpine:pull"},
	{"known user with another password", "hub.example", hubService, "dev:hub secret", 401, ""},
	{"nobody", "hub.example", hubService, "", 200, "repository:docker.io/library/alpine:pull"},
	{"token of ours that is none", "hub.example", hubService, "hubuser:rgt_x", 401, ""},
	{"on our own host", "gate.example", hubService, "hubuser:hub secret", 401, ""},
	{"for what is ours", "hub.example", "registry.test", "hubuser:hub secret", 401, ""},
	{"for another", "hub.example", quayService, "hubuser:hub secret", 401, ""},
	{"on a host without guests", "quay.example", quayService, "hubuser:hub secret", 401, ""},
	{"refresh token", "hub.example", hubService, ":hub secret", 401, ""},
}

func TestGuestsAreNobody(t *testing.T) {
	for _, tt := range guestTests {
		t.Run(tt.name, func(t *testing.T) {
			asked := new(spy)
			r := newMirrorRig(t, asked)
			status, _, scope := r.at(t, tt.host, shown{method: "GET", query: "service=" + tt.service + "&scope=repository:library/alpine:pull,push", basic: tt.basic})
			if status != tt.wantStatus || scope != tt.wantScope {
				t.Errorf("%d, granted %s, want %d %s", status, scope, tt.wantStatus, tt.wantScope)
			}
			if tt.wantStatus == 200 && asked.seen.Load() > 0 {
				t.Error("a back end has seen the password")
			}
			for _, line := range r.logs.All() {
				if text := fmt.Sprint(line.Message, line.ContextMap()); strings.Contains(text, "hub secret") || tt.wantStatus == 200 && strings.Contains(text, "hubuser") {
					t.Errorf("the log says %s", text)
				}
			}
		})
	}
}

// TestGuestsWhileNobodyCanTell: a directory that is down may know the account.
func TestGuestsWhileNobodyCanTell(t *testing.T) {
	g := NewGuests(authn.Chain{downFinder{}}, func(finders authn.Chain) authn.Authenticator { return finders })
	if _, err := g.Authenticate(t.Context(), authn.Credentials{Account: "x", Password: "y"}); !errors.Is(err, errDown) {
		t.Errorf("Authenticate() = %v, want %v", err, errDown)
	}
}

type downFinder struct{ authn.Authenticator }

func (downFinder) Find(context.Context, string) (authn.Identity, error) {
	return authn.Identity{}, errDown
}

// TestGuestsAtTheDoor log in with the request itself.
func TestGuestsAtTheDoor(t *testing.T) {
	r := newMirrorRig(t)
	for _, tt := range []struct {
		name, header, scopes string
		guests               bool
		want                 string
	}{
		{"pull", basic("hubuser:x"), "repository:docker.io/a:pull", true, ""},
		{"push", basic("hubuser:x"), "repository:docker.io/a:push", true, "insufficient_scope: whoever is not logged in may not push to docker.io/a"},
		{"ping", basic("hubuser:x"), "", true, ": authentication required"},
		{"ping of a known user", basic("dev:dev secret"), "", true, ""},
		{"elsewhere", basic("hubuser:x"), "repository:docker.io/a:pull", false, ": wrong user name or password"},
	} {
		shown := oci.Shown{Authorization: oci.NewSecret(tt.header), From: netip.MustParseAddr("192.0.2.1"), Namespace: "docker.io", Guests: tt.guests}
		_, err := r.door.Authorize(t.Context(), shown, needs(tt.scopes))
		if tt.want == "" && err != nil || tt.want != "" && refused(err) != tt.want {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestRulesSeeTheService is for those with a condition on it: a token and the
// request itself are asked about alike.
func TestRulesSeeTheService(t *testing.T) {
	r := newMirrorRig(t)
	var seen []string
	r.outside = func(a acl.Ask) (oci.Actions, bool, error) {
		seen = append(seen, a.Service)
		return a.Want.Actions, true, nil
	}
	r.at(t, "gate.example", shown{method: "GET", query: "service=" + hubService + "&scope=repository:a:pull", basic: "dev:dev secret"})
	for _, namespace := range []string{"docker.io", ""} {
		shown := oci.Shown{Authorization: oci.NewSecret(basic("dev:dev secret")), Namespace: namespace}
		if _, err := r.door.Authorize(t.Context(), shown, needs("repository:docker.io/a:pull")); err != nil {
			t.Error(err)
		}
	}
	if got, want := strings.Join(seen, " "), hubService+" "+hubService+" registry.test"; got != want {
		t.Errorf("asked with %s, want %s", got, want)
	}
}
