package testbed

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
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
		"client": ProviderClient, "secret": ProviderSecret, "job": ProviderJob,
		"redirect": []string{g.URL + "/oidc_auth"},
	})
	if err != nil {
		t.Fatal(err)
	}
	o.Process = Start(t, Command{Program: "node", Args: []string{here, string(config)}, Dir: Dir(t)})
	o.Await(t, func() error { return answers(http.DefaultClient, o.Issuer+"/.well-known/openid-configuration", 200) })
	return o
}

// JobToken asks for a token as a job does, which has a client of its own: it is
// for this resource, a URL.
func (o *OIDC) JobToken(t testing.TB, resource string) string {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "resource": {resource}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, o.Issuer+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(ProviderJob), url.QueryEscape(ProviderSecret)) // RFC 6749 2.3.1
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var reply struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(text, &reply); err != nil || strings.Count(reply.Token, ".") != 2 {
		t.Fatalf("no token for a job, but %d %s", res.StatusCode, text)
	}
	return reply.Token
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
