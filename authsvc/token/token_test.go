package token

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/regate/regate/internal/keyring"
	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/internal/state"
	"github.com/regate/regate/internal/state/local"
)

// A clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex // guards t
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// A bench has all that tokens need, on a Store of its own.
type bench struct {
	store    state.Store
	clock    *clock // of issuer, verifier and revocations; starts at the true time
	parts    Parts
	issuer   *Issuer
	verifier *Verifier
}

// openStore opens a state that ends with the test.
func openStore(t testing.TB) state.Store {
	t.Helper()
	s, err := local.Open(t.Context(), local.Config{Path: filepath.Join(t.TempDir(), "state")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func newBench(t testing.TB) *bench {
	t.Helper()
	store := openStore(t)
	b := &bench{store: store, clock: &clock{now: time.Now()}}
	b.parts.Now = b.clock.Now
	var err error
	if b.parts.Keys, err = keyring.Open(t.Context(), keyring.Options{Store: store}, nil); err != nil {
		t.Fatal(err)
	}
	if b.parts.Revoked, err = OpenRevocations(t.Context(), store, b.clock.Now, nil); err != nil {
		t.Fatal(err)
	}
	b.issuer, b.verifier = NewIssuer(Config{}, b.parts), NewVerifier(Config{}, b.parts)
	return b
}

func (b *bench) issue(t testing.TB, c Claims) Signed {
	t.Helper()
	s, err := b.issuer.Issue(c)
	if err != nil {
		t.Fatalf("Issue(%+v): %v", c, err)
	}
	return s
}

// header and claims are what the bench's Issuer would write, for a test to spoil.
func (b *bench) header() string {
	s := b.parts.Keys.Signer()
	return fmt.Sprintf(`{"typ":"JWT","alg":"ES256","kid":"%s","x5c":["%s"]}`, s.KeyID, base64.StdEncoding.EncodeToString(s.Chain[0]))
}

func (b *bench) claims() string {
	now := b.clock.Now().Unix()
	return fmt.Sprintf(`{"iss":"regate","sub":"alice","aud":"registry","exp":%d,"nbf":%d,"iat":%d,"jti":"J1",`+
		`"access":[{"type":"repository","name":"team/app","actions":["pull","push"]}]}`, now+900, now-10, now)
}

func enc(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// forge signs whatever it is given.
func forge(t testing.TB, key *ecdsa.PrivateKey, header, claims string) string {
	t.Helper()
	text := enc(header) + "." + enc(claims)
	sig, err := method.Sign(text, key)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + enc(string(sig))
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, c := range []Claims{
		{},
		{Subject: "alice", Scope: oci.NewScope(oci.Access{Type: oci.Repository, Name: "team/app", Actions: oci.All})},
		{Subject: "Zoë <zoe@example.com> \"\\\u2028", Scope: oci.NewScope(oci.CatalogAccess())},
		{Scope: oci.NewScope(
			oci.Access{Type: oci.Repository, Name: "z", Actions: oci.Pull},
			oci.Access{Type: oci.Repository, Name: "a/b-c__d.e", Actions: oci.Push | oci.Delete})},
		{Subject: "robot", Life: 2 * time.Minute},
	} {
		s := b.issue(t, c)
		for _, how := range []string{"cold", "cached"} {
			g, err := b.verifier.Verify(s.Text)
			if err != nil {
				t.Fatalf("%s: Verify(%s) = %v", how, s.Text, err)
			}
			want := oci.Grant{Subject: c.Subject, Scope: oci.NewScope(c.Scope...), Expires: s.Expires, ID: s.ID, Bearer: oci.NewSecret(s.Text)}
			if !reflect.DeepEqual(g, want) {
				t.Errorf("%s: grant = %v, %s; want %v, %s", how, g, g.ID, want, want.ID)
			}
		}
	}
}

// What distribution reads: protocol.md 2.2 says which form of each claim all
// versions take.
func TestTokenHasTheFormThatRegistriesRead(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.issue(t, Claims{Subject: "alice", Scope: oci.Scope{
		{Type: oci.Repository, Name: "z", Actions: oci.Push | oci.Pull},
		{Type: oci.Repository, Name: "none"},
		{Type: oci.Registry, Name: oci.CatalogName, Actions: oci.Any},
	}})
	var parts []string
	for part := range strings.SplitSeq(s.Text, ".") {
		text, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, string(text))
	}
	if parts[0] != b.header() {
		t.Errorf("header = %s\nwant     %s", parts[0], b.header())
	}
	now := b.clock.Now().Unix()
	want := fmt.Sprintf(`{"iss":"regate","sub":"alice","aud":"registry","exp":%d,"nbf":%d,"iat":%d,"jti":"%s",`+
		`"access":[{"type":"registry","name":"catalog","actions":["*"]},{"type":"repository","name":"z","actions":["pull","push"]}]}`,
		now+900, now-10, now, s.ID)
	if parts[1] != want {
		t.Errorf("claims = %s\nwant     %s", parts[1], want)
	}
	if s.Lifetime != 15*time.Minute || s.Expires.Unix() != now+900 || len(s.ID) < 22 {
		t.Errorf("Issue = %v, %v, id %s", s.Lifetime, s.Expires, s.ID)
	}
	if len(s.Text) > 1300 {
		t.Errorf("token has %d bytes", len(s.Text))
	}
}

func TestEmptyScopeIsNotNull(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(NewIssuer(Config{}, Parts{}).claims(Claims{}, time.Now()))
	if err != nil || !strings.Contains(string(text), `"sub":""`) || !strings.Contains(string(text), `"access":[]`) {
		t.Errorf("claims = %s, %v", text, err)
	}
}

// A token for a registry that trusts the gate alone must not open the gate.
func TestTokenForARegistryIsNoneForTheGate(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, c := range []Claims{{Issuer: "regate-upstream"}, {Audience: "main"}, {Issuer: "regate-upstream", Audience: "main"}} {
		if _, err := b.verifier.Verify(b.issue(t, c).Text); err == nil {
			t.Errorf("Verify takes a token with issuer %q and audience %q", c.Issuer, c.Audience)
		}
	}
}

func TestConfiguredNamesAndLife(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	cfg := Config{Issuer: "Acme auth server", Service: "Docker registry", Expiration: 60}
	i, v := NewIssuer(cfg, b.parts), NewVerifier(cfg, b.parts)
	s, err := i.Issue(Claims{Subject: "alice"})
	if err != nil || s.Lifetime != time.Minute {
		t.Fatalf("Issue = %v, %v", s.Lifetime, err)
	}
	if _, err := v.Verify(s.Text); err != nil {
		t.Errorf("Verify: %v", err)
	}
	if i.Name() != cfg.Issuer || i.Service() != cfg.Service {
		t.Errorf("Name() = %q, Service() = %q", i.Name(), i.Service())
	}
	if _, err := b.verifier.Verify(s.Text); err == nil {
		t.Error("a gate with other names takes the token")
	}
}

// Long tokens are good, but not kept: 10,000 of them would be too much.
func TestLongTokensAreNotRemembered(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, tt := range []struct {
		repositories int
		want         bool
	}{{1, true}, {10, true}, {60, false}} {
		var scope []oci.Access
		for n := range tt.repositories {
			scope = append(scope, oci.Access{Type: oci.Repository, Name: fmt.Sprint("team/app", n), Actions: oci.All})
		}
		text := b.issue(t, Claims{Scope: scope}).Text
		if g, err := b.verifier.Verify(text); err != nil || !g.Covers(scope) {
			t.Fatalf("%d repositories: Verify = %v, %v", tt.repositories, g, err)
		}
		if _, got := b.verifier.known.Get(sha256.Sum256([]byte(text))); got != tt.want {
			t.Errorf("%d repositories, %d bytes: remembered %v, want %v", tt.repositories, len(text), got, tt.want)
		}
	}
}

func TestTooLongTokenIsAnError(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var many []oci.Access
	for n := range oci.MaxScopes {
		many = append(many, oci.Access{Type: oci.Repository, Name: strings.Repeat("a", 200) + fmt.Sprint(n), Actions: oci.All})
	}
	if _, err := b.issuer.Issue(Claims{Scope: many}); !errors.Is(err, ErrTooLong) {
		t.Errorf("Issue = %v, want %v", err, ErrTooLong)
	}
}

// A key that could not be renewed in time signs shorter tokens, and in the
// end none.
func TestTokensEndBeforeTheirKey(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	left := b.parts.Keys.Signer().NotAfter.Sub(b.clock.Now())
	tests := []struct {
		before time.Duration // the end of the key
		want   time.Duration // of the token's life; 0 is ErrNoKey
	}{
		{25 * time.Hour, 24 * time.Hour},
		{12 * time.Hour, 12*time.Hour - 2*time.Minute},
		{3 * time.Minute, time.Minute},
		{2*time.Minute + 30*time.Second, 0},
		{-time.Hour, 0},
	}
	start := b.clock.Now()
	for _, tt := range tests {
		b.clock.move(start.Add(left - tt.before).Sub(b.clock.Now()))
		s, err := b.issuer.Issue(Claims{Life: 48 * time.Hour})
		if d := tt.want - s.Lifetime; d < 0 || d > time.Second || (tt.want == 0) != errors.Is(err, ErrNoKey) {
			t.Errorf("%v before the end of the key: Issue = %v, %v; want %v", tt.before, s.Lifetime, err, tt.want)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	shared := b.issue(t, Claims{Subject: "shared"})
	var all sync.WaitGroup
	for n := range 16 {
		all.Go(func() {
			name := fmt.Sprint("user", n)
			own, err := b.issuer.Issue(Claims{Subject: name})
			if err != nil {
				t.Error(err)
			}
			for range 50 {
				if g, err := b.verifier.Verify(own.Text); err != nil || g.Subject != name {
					t.Errorf("Verify = %v, %v; want %s", g, err, name)
				}
				if g, err := b.verifier.Verify(shared.Text); err != nil || g.Subject != "shared" {
					t.Errorf("Verify = %v, %v; want shared", g, err)
				}
			}
		})
	}
	all.Wait()
}
