package configs

import (
	"net/url"
	"strconv"

	"github.com/regate/regate/internal/problem"
)

// checkCallbacks finds providers that send browsers to somebody else's name,
// where nobody waits for them with a login.
func (f *File) checkCallbacks(bad *problem.List) {
	for i, p := range f.Auth.OIDCAuth {
		path := "auth.oidc_auth"
		if len(f.Auth.OIDCAuth) > 1 {
			path += "[" + strconv.Itoa(i) + "]"
		}
		f.checkCallback(bad, path+".redirect_url", p.RedirectURL)
	}
	if p := f.Auth.GitLabAuth; p != nil {
		f.checkCallback(bad, "auth.gitlab_auth.redirect_uri", p.RedirectURI)
	}
}

func (f *File) checkCallback(bad *problem.List, path, text string) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || f.hasHost(u.Hostname()) {
		return
	}
	bad.Warnf(path, "%s is neither one of tls.hosts nor listen.public_url's, so nobody who is sent there comes back to the gate", u.Hostname())
}
