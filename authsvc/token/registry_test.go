package token

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/registry/auth"
	_ "github.com/distribution/distribution/v3/registry/auth/token" // registers "token"

	"github.com/regate/regate/internal/keyring"
	"github.com/regate/regate/internal/oci"
)

// registryAuth is distribution's own access controller, as a registry has it
// with rootcertbundle and nothing else set. It reads the file once.
func registryAuth(t *testing.T, rootFile, issuer, service string) auth.AccessController {
	t.Helper()
	ac, err := auth.GetAccessController("token", map[string]any{
		"realm": "https://gate.example.com/auth", "issuer": issuer, "service": service, "rootcertbundle": rootFile,
	})
	if err != nil {
		t.Fatal(err)
	}
	return ac
}

// show asks the registry whether token is enough for actions on name.
func show(t *testing.T, ac auth.AccessController, token string, needs ...auth.Access) (*auth.Grant, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://registry.example.com/v2/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return ac.Authorized(req, needs...)
}

func need(typ, name, action string) auth.Access {
	return auth.Access{Resource: auth.Resource{Type: typ, Name: name}, Action: action}
}

func TestDistributionTakesOurTokens(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	file := filepath.Join(t.TempDir(), "root.pem")
	if _, err := keyring.Open(t.Context(), keyring.Options{Store: b.store, RootFile: file}, nil); err != nil {
		t.Fatal(err)
	}
	ac := registryAuth(t, file, "regate", "registry")
	scope := oci.NewScope(oci.Access{Type: oci.Repository, Name: "team/app", Actions: oci.Pull | oci.Push}, oci.CatalogAccess())
	signed := b.issue(t, Claims{Subject: "alice", Scope: scope})

	tests := []struct {
		name  string
		token string
		needs []auth.Access
		want  string // in the error; "" is success
	}{
		{"no access needed", signed.Text, nil, ""},
		{"pull and push", signed.Text, []auth.Access{need("repository", "team/app", "pull"), need("repository", "team/app", "push")}, ""},
		{"catalog", signed.Text, []auth.Access{need("registry", "catalog", "*")}, ""},
		{"delete", signed.Text, []auth.Access{need("repository", "team/app", "delete")}, "insufficient scope"},
		{"another repository", signed.Text, []auth.Access{need("repository", "team", "pull")}, "insufficient scope"},
		{"anonymous, nothing granted", b.issue(t, Claims{}).Text, nil, ""},
		{"another service", b.issue(t, Claims{Audience: "other"}).Text, nil, "invalid token"},
		{"another issuer", b.issue(t, Claims{Issuer: "other"}).Text, nil, "invalid token"},
		{"another root", newBench(t).issue(t, Claims{Scope: scope}).Text, nil, "invalid token"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			grant, err := show(t, ac, tt.token, tt.needs...)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("Authorized = %v, want %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatalf("Authorized = %v", err)
			}
			if tt.token == signed.Text && grant.User.Name != "alice" {
				t.Errorf("the registry's log names %q", grant.User.Name)
			}
		})
	}
}

// TestDistributionTakesOurTokensAcrossARotation starts a registry once, and
// shows it tokens of three leaves. Its clock cannot be moved, so the gate's
// keys begin three days ago.
func TestDistributionTakesOurTokensAcrossARotation(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	store, file := openStore(t), filepath.Join(t.TempDir(), "root.pem")
	leaves := make(map[string]bool)
	var ac auth.AccessController
	var tokens []string
	for _, ago := range []time.Duration{70, 45, 44, 20, 19} {
		clock := func() time.Time { return time.Now().Add(-ago * time.Hour) }
		ring, err := keyring.Open(t.Context(), keyring.Options{Store: store, RootFile: file, Now: clock}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if ac == nil {
			ac = registryAuth(t, file, "regate", "registry")
		}
		parts := Parts{Keys: ring, Revoked: b.parts.Revoked}
		s, err := NewIssuer(Config{}, parts).Issue(Claims{Subject: "alice"})
		if err != nil {
			t.Fatal(err)
		}
		leaves[ring.Signer().KeyID] = true
		tokens = append(tokens, s.Text)
		for i, token := range tokens {
			_, err := show(t, ac, token)
			if _, own := NewVerifier(Config{}, parts).Verify(token); err != nil || own != nil {
				t.Errorf("token %d of %d: registry %v, gate %v", i, len(tokens), err, own)
			}
		}
	}
	if len(leaves) != 3 {
		t.Errorf("%d leaves signed, want 3", len(leaves))
	}
}
