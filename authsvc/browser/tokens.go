package browser

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/secret"
	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/oci"
)

// showTokens shows the tokens of whoever is logged in, and for once the text of
// one that was made a moment ago.
func (p *Pages) showTokens(w http.ResponseWriter, r *http.Request) error {
	s, err := p.session(r)
	switch {
	case errors.Is(err, errNoSession):
		return p.toLogin(w, r)
	case err != nil:
		return p.sayWrong(w, r, err)
	}
	return p.list(w, r, s, screen{Status: http.StatusOK, Made: p.justMade(w, r, s), Done: p.justDone(w, r, s)})
}

// toLogin sends somebody to the login whose session has ended.
func (p *Pages) toLogin(w http.ResponseWriter, r *http.Request) error {
	if _, err := r.Cookie(sessionCookie); err == nil {
		forget(w, sessionCookie)
		forget(w, madeCookie)
		return goTo(w, loginPath+"?"+endedQuery)
	}
	return goTo(w, loginPath)
}

// list shows the tokens with what is in sc.
func (p *Pages) list(w http.ResponseWriter, r *http.Request, s session, sc screen) error {
	all, err := p.book.List(r.Context(), s.Account)
	if err != nil {
		return p.sayWrong(w, r, err)
	}
	sc.Name, sc.Title, sc.Session, sc.Groups = "tokens", "Your tokens", s, named(s.labels)
	sc.Provider = s.people.method.Provider.Terms().Title
	sc.Goods = goods
	for _, life := range p.tokens.Lives() {
		sc.Lives = append(sc.Lives, newLife(life))
	}
	sc.Tokens = tables(all, p.now())
	return show(w, r, sc)
}

// changeTokens serves the forms of /tokens. What was done is shown by a page of
// its own, so that nothing is done twice when somebody loads that again.
func (p *Pages) changeTokens(w http.ResponseWriter, r *http.Request) error {
	s, err := p.posted(r)
	switch {
	case errors.Is(err, errNoSession):
		return p.toLogin(w, r)
	case err != nil:
		return p.sayWrong(w, r, err)
	}
	switch r.PostForm.Get("do") {
	case "make":
		return p.makeToken(w, r, s)
	case "revoke":
		err = p.revoke(w, r, s)
	case "revoke-all":
		err = p.revokeAll(w, r, s)
	default:
		err = oci.Errorf(oci.BadRequest, "this form is not one of ours")
	}
	if err != nil {
		return p.sayWrong(w, r, err)
	}
	forget(w, madeCookie)
	return goTo(w, tokensPath)
}

// posted reads a form and returns whose it is.
func (p *Pages) posted(r *http.Request) (session, error) {
	if r.Method != http.MethodPost {
		return session{}, oci.Errorf(oci.Unsupported, "this is done with POST").With("Allow", "POST")
	}
	var limit *oci.Error
	if err := r.ParseForm(); errors.As(err, &limit) {
		return session{}, err
	} else if err != nil {
		return session{}, oci.Errorf(oci.BadRequest, "the form cannot be read").Because(err)
	}
	s, err := p.session(r)
	if err != nil {
		return session{}, err
	}
	return s, s.ours(r)
}

// A fault is a mistake in a form, for whoever filled it in.
type fault string

func (f fault) Error() string { return string(f) }

// makeToken makes a token if the provider still vouches for its owner.
func (p *Pages) makeToken(w http.ResponseWriter, r *http.Request, s session) error {
	text, made, err := p.create(r.Context(), s, wishOf(r.PostForm))
	var wrong fault
	switch {
	case errors.Is(err, authn.ErrUnknownUser), errors.Is(err, errNoSession):
		return p.toLogin(w, r)
	case errors.Is(err, secret.ErrTooMany):
		return p.list(w, r, s, screen{Status: http.StatusConflict, Fault: "You have " + strconv.Itoa(secret.Most) + " tokens, and cannot have more. Revoke one first."})
	case errors.As(err, &wrong):
		return p.list(w, r, s, screen{Status: http.StatusBadRequest, Fault: string(wrong)})
	case err != nil:
		return p.sayWrong(w, r, err)
	}
	p.log.Info("token made", zap.String("subject", s.Account), zap.String("method", s.Method), zap.String("family", made.ID),
		zap.String("name", made.Name), zap.Time("expires", made.Expires), zap.Stringer("client", edge.Client(r)))
	err = p.cookies.give(w, madeCookie, handover{Account: s.Account, Name: made.Name, Text: text.Reveal(), At: p.now().Unix()}, handoverTime)
	if err != nil {
		return err
	}
	return goTo(w, tokensPath)
}

func (p *Pages) create(ctx context.Context, s session, w wish) (authn.Secret, secret.Token, error) {
	t := secret.Token{Kind: secret.Personal, Owner: s.Account, Method: s.Method, Name: w.name}
	if secret.CheckName(t.Kind, t.Name) != nil {
		return "", t, fault("A token needs a name of up to " + strconv.Itoa(secret.MostName) + " characters, such as that of the machine it is for.")
	}
	lasts, ok := p.life(w.life)
	if !ok {
		return "", t, fault("Choose how long the token is to be good.")
	}
	if lasts > 0 {
		t.Expires = p.now().Add(lasts)
	}
	var err error
	if t.Within, err = w.bounds(); err != nil {
		return "", t, err
	}
	if _, err := s.people.Find(ctx, s.Account); err != nil {
		return "", t, err
	}
	if _, err := s.login(ctx); err != nil { // it may have taken the provider long to answer
		return "", t, err
	}
	return p.book.Create(ctx, t)
}

// life is one of those that can be chosen.
func (p *Pages) life(text string) (time.Duration, bool) {
	for _, l := range p.tokens.Lives() {
		if newLife(l).Value == text {
			return l, true
		}
	}
	return 0, false
}

// A handover is a token on its way to the page that shows it. It goes through
// the browser, sealed, because the next request may come to another gate.
type handover struct {
	Account string `json:"account"`
	Name    string `json:"name"`
	Text    string `json:"text"`
	At      int64  `json:"at"` // Unix seconds
}

const handoverTime = time.Minute

// justMade returns the token that is to be shown, which is not kept; nil if
// there is none.
func (p *Pages) justMade(w http.ResponseWriter, r *http.Request, s session) *made {
	var h handover
	if err := p.cookies.take(r, madeCookie, &h); err != nil || r.Method == http.MethodHead {
		return nil
	}
	forget(w, madeCookie)
	age := p.now().Sub(time.Unix(h.At, 0))
	if h.Account != s.Account || age >= handoverTime {
		return nil
	}
	return newMade(hostOf(r), h)
}
