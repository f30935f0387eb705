package browser

import (
	"errors"
	"net/http"
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
