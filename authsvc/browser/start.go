package browser

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/regate/regate/authsvc/idp"
	"github.com/regate/regate/internal/edge"
)

// endedQuery is what the login page is told when a session has ended.
const endedQuery = "ended"

// showLogin offers the ways to log in, to whoever is not.
func (p *Pages) showLogin(w http.ResponseWriter, r *http.Request) error {
	_, err := p.session(r)
	switch {
	case err == nil:
		return goTo(w, tokensPath)
	case !errors.Is(err, errNoSession):
		return p.sayWrong(w, r, err)
	}
	sc := screen{Name: "login", Status: http.StatusOK, Title: "Log in", Ended: r.URL.RawQuery == endedQuery}
	for _, m := range p.methods {
		sc.Buttons = append(sc.Buttons, button{m.method.Provider.Terms().Title, m.method.Path})
	}
	return show(w, r, sc)
}

// goOut sends the browser to the provider, for a visit of which the rest is
// made here.
func (p *Pages) goOut(w http.ResponseWriter, r *http.Request, m *People, v visit) error {
	v.Method, v.Redirect = m.Name(), edge.Origin(r)+m.method.Path
	v.State, v.Nonce, v.Verifier, v.Begun = random(), random(), random(), p.now().Unix()
	address, err := m.method.Provider.AuthURL(r.Context(), idp.Start{Redirect: v.Redirect, State: v.State, Nonce: v.Nonce, Verifier: v.Verifier, Consent: v.Consent})
	if err != nil {
		return p.sayDown(w, r, m, err)
	}
	back, err := redirectIn(address)
	if err != nil {
		return p.sayDown(w, r, m, err)
	}
	if plainHost(back.Host) != plainHost(r.Host) {
		// The provider sends browsers back to another of our names, where the
		// cookie would not be: begin there.
		w.Header().Set("Location", "https://"+back.Host+m.method.Path)
		w.WriteHeader(http.StatusFound)
		return nil
	}
	v.Redirect = back.String()
	if err := p.cookies.give(w, loginCookie, v, loginTime); err != nil {
		return err
	}
	w.Header().Set("Location", address)
	w.WriteHeader(http.StatusFound)
	return nil
}

// redirectIn is where the provider at address is to send the browser back to:
// what the configuration says of that comes before what we ask for.
func redirectIn(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	back, err := url.Parse(u.Query().Get("redirect_uri"))
	if err == nil && (back.Scheme != "https" || back.Host == "") {
		err = errors.New("the address of the provider has no redirect_uri with https")
	}
	return back, err
}

// pathOf is the path of a redirect_uri.
func pathOf(redirect string) string {
	u, err := url.Parse(redirect)
	if err != nil {
		return ""
	}
	return u.EscapedPath()
}

// plainHost is a host without the port that https has anyhow.
func plainHost(host string) string { return strings.TrimSuffix(strings.ToLower(host), ":443") }
