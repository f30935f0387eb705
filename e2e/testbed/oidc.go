package testbed

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/regate/regate/e2e/tool"
)

// An Account is what an OIDC provider knows of somebody.
type Account struct {
	Email  string   `json:"email"`
	Groups []string `json:"groups"`
}

// OIDC is a real OpenID Connect provider, oidc-provider on Node.js: it wants
// PKCE, gives another refresh token each time, and asks people to log in and,
// each time if there is to be a refresh token, to agree.
type OIDC struct {
	*Process
	Issuer string
}

// StartOIDC starts a provider that sends browsers back to a gate.
func StartOIDC(t testing.TB, g *Gate) *OIDC {
	t.Helper()
	Secret(ProviderSecret)
	port := Port()
	o := &OIDC{Issuer: fmt.Sprintf("http://127.0.0.1:%d", port)}
	here := filepath.Join(tool.Root(), "e2e", "testbed", "oidc", "provider.mjs")
	config, err := json.Marshal(map[string]any{
		"module": filepath.Join(tool.Root(), ".tools", "oidc", "node_modules", "oidc-provider", "lib", "index.js"),
		"port":   port, "issuer": o.Issuer,
		"client": ProviderClient, "secret": ProviderSecret,
		"redirect": []string{g.URL + "/oidc_auth"},
	})
	if err != nil {
		t.Fatal(err)
	}
	o.Process = Start(t, Command{Program: "node", Args: []string{here, string(config)}, Dir: Dir(t)})
	o.Await(t, func() error { return answers(http.DefaultClient, o.Issuer+"/.well-known/openid-configuration", 200) })
	return o
}

// Know tells the provider who has an account from now on.
func (o *OIDC) Know(t testing.TB, people map[string]Account) {
	t.Helper()
	body, err := json.Marshal(people)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Post(o.Issuer+"/people", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if err := statusIs(res, http.StatusNoContent); err != nil {
		t.Fatal(err)
	}
}
