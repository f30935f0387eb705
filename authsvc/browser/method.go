package browser

import (
	"context"
	"strings"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/idp"
)

// A Provider is where people have their accounts, such as GitHub. What its
// methods mean is said in package idp; an error that is no *idp.Refusal means
// that it could not tell. Calls may overlap.
type Provider interface {
	AuthURL(ctx context.Context, s idp.Start) (string, error)
	Exchange(ctx context.Context, r idp.Return) (idp.Person, error)
	Renew(ctx context.Context, account string, refresh authn.Secret) (idp.Person, error)
	Terms() idp.Terms
}

// A Method is one way to log in.
type Method struct {
	// Name is that of the key in the configuration, and of the provider if it
	// has one: github_auth, oidc_auth/okta. It stands in the state.
	Name     string
	Path     string // where browsers come back to: /github_auth
	Provider Provider
}

// kinds are docker_auth's paths of call-backs, so that what people have
// registered at their providers keeps working.
var kinds = []string{"/google_auth", "/github_auth", "/oidc_auth", "/gitlab_auth"}

// The other paths.
const (
	loginPath  = "/login"
	logoutPath = "/logout"
	tokensPath = "/tokens"
)

// Owns reports whether a path is one of the pages. Of several providers of a
// kind, each has a path of its own below that of the kind: one that could have
// the answer of another sent to itself is told apart by where it comes in
// (RFC 9700 4.4.2.2).
func Owns(path string) bool {
	switch path {
	case "/", loginPath, logoutPath, tokensPath:
		return true
	}
	return isCallback(path)
}

func isCallback(path string) bool {
	for _, k := range kinds {
		if path == k || strings.HasPrefix(path, k+"/") {
			return true
		}
	}
	return false
}
