package browser

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/idp"
	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/oci"
)

// loginTime is how long somebody may take at a provider.
const loginTime = 10 * time.Minute

// A visit is a login that has begun in one browser, which keeps it: whoever
// makes somebody else's browser end it would need the cookie that goes with it
// (RFC 6749 10.12, RFC 9700 4.7).
type visit struct {
	Method   string `json:"method"`
	Redirect string `json:"redirect"`
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
	Begun    int64  `json:"begun"` // Unix seconds
	Consent  bool   `json:"consent,omitempty"`
}

// visitProvider serves the call-backs of providers. Without anything from the
// provider it begins a login: that is what people have as a bookmark who used
// docker_auth.
func (p *Pages) visitProvider(w http.ResponseWriter, r *http.Request) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return p.sayNoVisit(w, r, err)
	}
	if query.Has("code") || query.Has("error") || query.Has("state") {
		return p.comeBack(w, r, query)
	}
	for _, m := range p.methods {
		if m.method.Path == rawPath(r) {
			return p.goOut(w, r, m, visit{})
		}
	}
	return goTo(w, loginPath) // a provider that is there no longer, or one of several
}

// rawPath is the path as the client wrote it.
func rawPath(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	return path
}

// comeBack ends a login with what the browser brought from the provider.
func (p *Pages) comeBack(w http.ResponseWriter, r *http.Request, query url.Values) error {
	if r.Method != http.MethodGet {
		return oci.Errorf(oci.Unsupported, "a login is ended with GET").With("Allow", "GET") // RFC 9110 9.2.1: HEAD changes nothing
	}
	m, v, err := p.visitOf(r, query)
	forget(w, loginCookie)
	if err != nil {
		return p.sayNoVisit(w, r, err)
	}
	if query.Has("error") {
		return p.sayProviderError(w, r, m, query)
	}
	person, err := m.exchange(r.Context(), idp.Return{Redirect: v.Redirect, Code: query.Get("code"), Nonce: v.Nonce, Verifier: v.Verifier})
	if err != nil {
		return p.sayNoLogin(w, r, m, err)
	}
	edge.RecordFrom(r.Context()).Subject = person.Account
	if err := m.enter(r.Context(), person); err != nil {
		return p.sayNotEntered(w, r, m, visitor{person, err})
	}
	if err := p.begin(w, m, person); err != nil {
		return err
	}
	if !v.Consent && m.wantsConsent(r.Context(), person.Account) {
		return p.goOut(w, r, m, visit{Consent: true})
	}
	forget(w, madeCookie)
	p.noteHolders(r.Context(), m, person.Account)
	p.noteLogin(r, m, person)
	return goTo(w, tokensPath)
}

// noteHolders tells the operator that somebody goes by a name now by which
// others have logged in at a provider that comes after m. It was theirs: they
// are not let in from now on, and who has it now may be a stranger to them.
func (p *Pages) noteHolders(ctx context.Context, m *People, account string) {
	for _, other := range p.methods {
		if other == m {
			continue
		}
		if l, err := other.read(ctx, account); err == nil && !other.ended(l) {
			p.log.Warn("the name is taken from whoever has logged in with it at another provider",
				zap.String("subject", account), zap.String("method", m.Name()), zap.String("from", other.Name()))
		}
	}
}

var (
	errNoVisit    = errors.New("no login was begun in this browser, or too long ago")
	errOtherState = errors.New("the state is not the one of the login that was begun in this browser")
	errTwice      = errors.New("the login has been ended before")
	errGarbled    = errors.New("a parameter is missing or comes twice")
)

// visitOf returns the login that a browser is about to end, which is over then.
func (p *Pages) visitOf(r *http.Request, query url.Values) (*People, visit, error) {
	var v visit
	if err := p.cookies.take(r, loginCookie, &v); err != nil {
		return nil, v, errNoVisit
	}
	age := p.now().Sub(time.Unix(v.Begun, 0))
	m := p.people(v.Method)
	switch {
	case age < -skew || age >= loginTime || m == nil:
		return nil, v, errNoVisit
	case subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(v.State)) != 1:
		return nil, v, errOtherState
	case !isWhole(query) || pathOf(v.Redirect) != rawPath(r):
		return nil, v, errGarbled
	case !p.spent.spend(v.State):
		return nil, v, errTwice
	}
	return m, v, nil
}

// isWhole reports whether the answer of a provider makes sense: parameters
// come once (RFC 6749 3.1), and are a code or an error.
func isWhole(query url.Values) bool {
	for _, key := range []string{"code", "state", "error"} {
		if len(query[key]) > 1 {
			return false
		}
	}
	return (query.Get("code") == "") != (query.Get("error") == "")
}

// A visitor is a person whom a provider vouches for, and who does not get in.
type visitor struct {
	idp.Person
	why error
}
