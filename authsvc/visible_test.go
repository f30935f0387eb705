package authsvc

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/oci"
)

// listing lets everybody list repositories, and those of the office pull from
// office/….
func listing(a acl.Ask) (oci.Actions, bool, error) {
	switch {
	case a.Want.Name == "broken/x":
		return 0, false, errors.New("the program is broken")
	case a.Want.Type == oci.Registry:
		return oci.Any, true, nil
	case a.Want.Name == "office/x":
		if a.From == netip.MustParseAddr("192.0.2.1") {
			return oci.Pull, true, nil
		}
		return 0, false, nil
	case a.Want.Name == "push/only":
		return oci.Push, true, nil
	case a.Identity.Account == "crowd":
		team, _, _ := strings.Cut(a.Want.Name, "/")
		return oci.Pull, slices.Contains(a.Identity.Labels["team"], authn.Label{Value: team}), nil
	}
	return 0, false, nil
}

// crowd is an account with more teams than a token holds.
func crowd(_ context.Context, c authn.Credentials) (authn.Identity, error) {
	if c.Account != "crowd" {
		return authn.Identity{}, authn.ErrUnknownUser
	}
	id := authn.Identity{Account: "crowd", Labels: authn.Labels{}}
	for i := range 2000 {
		id.Labels["team"] = append(id.Labels["team"], authn.Label{Value: fmt.Sprintf("team-%d", i)})
	}
	return id, nil
}

// token returns a token for listing repositories.
func (r *rig) token(t *testing.T, user string) string {
	t.Helper()
	w, body := r.ask(t, shown{method: "GET", query: "scope=registry:catalog:*+repository:pub/a:pull", basic: user})
	text, _ := body["token"].(string)
	if w.Code != 200 || text == "" {
		t.Fatalf("no token: %d %v", w.Code, body)
	}
	return text
}

func TestVisible(t *testing.T) {
	r := newRig(t, authn.Func(crowd))
	r.outside = listing
	names := []string{"office/x", "ops/c", "pub/b", "push/only", "team-1999/d", "web/a"}
	tests := []struct {
		name, header, from string
		want               []string
	}{
		{"token", "Bearer " + r.token(t, "dev:dev secret"), "192.0.2.1", []string{"office/x", "pub/b", "web/a"}},
		{"token, from elsewhere", "Bearer " + r.token(t, "dev:dev secret"), "192.0.2.2", []string{"pub/b", "web/a"}},
		{"login with the request", basic("dev:dev secret"), "192.0.2.1", []string{"office/x", "pub/b", "web/a"}},
		{"many labels", "Bearer " + r.token(t, "crowd:any"), "192.0.2.1", []string{"office/x", "pub/b", "team-1999/d"}},
		{"many labels, with the request", basic("crowd:any"), "192.0.2.1", []string{"office/x", "pub/b", "team-1999/d"}},
		{"anonymous", "Bearer " + r.token(t, ""), "192.0.2.2", []string{"pub/b"}},
		{"everything", "Bearer " + r.token(t, "admin:admin secret"), "192.0.2.2", names},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			shown := oci.Shown{Authorization: oci.NewSecret(tt.header), From: netip.MustParseAddr(tt.from)}
			grant, err := r.door.Authorize(t.Context(), shown, []oci.Access{oci.CatalogAccess()})
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.door.Visible(t.Context(), shown, grant, names)
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("Visible() = %v, %v; want %v", got, err, tt.want)
			}
			if len(grant.Labels) > 4<<10 {
				t.Errorf("the grant carries %d bytes of labels", len(grant.Labels))
			}
		})
	}
}

// Only what lists repositories says who its subject is: tokens are sent with
// every request, and forwarded to registries.
func TestOtherTokensCarryNoLabels(t *testing.T) {
	r := newRig(t)
	r.outside = listing
	w, body := r.ask(t, shown{method: "GET", query: "scope=repository:web/a:pull", basic: "dev:dev secret"})
	text, _ := body["token"].(string)
	if claims := decodeClaims(t, text); w.Code != 200 || claims["rgl"] != nil {
		t.Errorf("%d, labels %v", w.Code, claims["rgl"])
	}
	if claims := decodeClaims(t, r.token(t, "dev:dev secret")); claims["rgl"] == nil {
		t.Errorf("a token that lists repositories has no labels: %v", claims)
	}
}

func decodeClaims(t *testing.T, text string) (claims map[string]any) {
	t.Helper()
	_, rest, _ := strings.Cut(text, ".")
	part, _, _ := strings.Cut(rest, ".")
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err == nil {
		err = json.Unmarshal(raw, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestVisibleCannotTell(t *testing.T) {
	r := newRig(t, authn.Func(crowd))
	r.outside = listing
	request := oci.Shown{Authorization: oci.NewSecret("Bearer " + r.token(t, "crowd:any"))}
	grant, err := r.door.Authorize(t.Context(), request, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.door.Visible(t.Context(), request, grant, []string{"pub/b", "broken/x"}); got != nil || oci.AsError(err).Kind != oci.Unavailable {
		t.Errorf("with a broken program: %v, %v", got, err)
	}
	var name string
	if err := json.Unmarshal(grant.Labels, &name); err != nil {
		t.Fatal(err)
	}
	if err := r.store.Delete(t.Context(), "identity/"+name, 0); err != nil {
		t.Fatal(err)
	}
	if got, err := r.door.Visible(t.Context(), request, grant, []string{"pub/b"}); got != nil || !strings.HasPrefix(refused(err), string(oci.InvalidToken)) {
		t.Errorf("with lost labels: %v, %v", got, err)
	}
	_ = r.store.Close()
	if got, err := r.door.Visible(t.Context(), request, grant, []string{"pub/b"}); got != nil || oci.AsError(err).Kind != oci.Unavailable {
		t.Errorf("with the state down: %v, %v", got, err)
	}
	w, _ := r.ask(t, shown{method: "GET", query: "scope=registry:catalog:*", basic: "crowd:any"})
	if w.Code != 503 {
		t.Errorf("a token whose labels cannot be kept: %d", w.Code)
	}
}
