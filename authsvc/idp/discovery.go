package idp

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// documentLife is how long what a provider publishes about itself is not asked
// for again.
const documentLife = time.Hour

// A document is what a provider publishes about itself (OpenID Connect
// Discovery 1.0, 3).
type document struct {
	Issuer      string   `json:"issuer"`
	AuthURL     string   `json:"authorization_endpoint"`
	TokenURL    string   `json:"token_endpoint"`
	KeysURL     string   `json:"jwks_uri"`
	UserInfoURL string   `json:"userinfo_endpoint"`
	Scopes      []string `json:"scopes_supported"`
	ClientAuth  []string `json:"token_endpoint_auth_methods_supported"`
}

// discover asks for the document of issuer.
func discover(ctx context.Context, client *http.Client, issuer string) (d document, err error) {
	err = getJSON(ctx, client, strings.TrimSuffix(issuer, "/")+wellKnown, &d)
	if err != nil {
		return d, misplaced(fmt.Errorf("discovery: %w", err))
	}
	if d.Issuer != issuer {
		return d, &Misfit{"write issuer as it does", fmt.Errorf("discovery: the issuer calls itself %q, and is %q in the configuration", d.Issuer, issuer)}
	}
	plain := isPlain(issuer)
	for _, at := range []string{d.AuthURL, d.TokenURL, d.KeysURL} {
		if !reachable(at, plain) {
			return d, fmt.Errorf("discovery: %q is no https address", at)
		}
	}
	if d.UserInfoURL != "" && !reachable(d.UserInfoURL, plain) {
		return d, fmt.Errorf("discovery: %q is no https address", d.UserInfoURL)
	}
	return d, nil
}

// reachable reports whether an endpoint may be asked: http is for providers on
// this machine, which are themselves asked so.
func reachable(address string, plain bool) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	return u.Scheme == "https" || plain && u.Scheme == "http" && loopback(u.Hostname())
}

// isPlain reports whether a server, which is on this machine, is asked without
// TLS.
func isPlain(address string) bool { return strings.HasPrefix(address, "http:") }

// endpoint is where codes become tokens. The client shows its secret in the way
// that is the standard's own, unless the provider takes the other alone. Trying
// both would spend the code.
func (d document) endpoint() oauth2.Endpoint {
	style := oauth2.AuthStyleInHeader
	if len(d.ClientAuth) > 0 && !slices.Contains(d.ClientAuth, "client_secret_basic") {
		style = oauth2.AuthStyleInParams
	}
	return oauth2.Endpoint{AuthURL: d.AuthURL, TokenURL: d.TokenURL, AuthStyle: style}
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the provider"
	}
	return u.Host
}
