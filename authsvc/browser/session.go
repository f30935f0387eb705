package browser

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/idp"
	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/state"
)

// sessionLife is how long somebody stays logged in on the pages. Tokens have
// lives of their own.
const sessionLife = 12 * time.Hour

// skew is how far the clocks of gates may be apart.
const skew = time.Minute

// A session is who uses the pages. It ends with its time, with the login that it
// is of, and when it is logged out.
type session struct {
	ID      string `json:"id"`
	Account string `json:"account"`
	Method  string `json:"method"`
	Subject string `json:"subject"`
	Issued  int64  `json:"issued"` // Unix seconds
	CSRF    string `json:"csrf"`   // is in each form

	people *People
	labels authn.Labels
}

// random is 256 bits as text.
func random() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// begin makes the session of a person who has just logged in.
func (p *Pages) begin(w http.ResponseWriter, people *People, person idp.Person) error {
	return p.cookies.give(w, sessionCookie, session{
		ID: random(), Account: person.Account, Method: people.Name(), Subject: person.Subject,
		Issued: p.now().Unix(), CSRF: random(),
	}, sessionLife)
}

// errNoSession says that nobody is logged in, or no longer.
var errNoSession = errors.New("not logged in")

// session returns who uses the pages, or errNoSession. Any other error means
// that it could not tell.
func (p *Pages) session(r *http.Request) (session, error) {
	var s session
	if err := p.cookies.take(r, sessionCookie, &s); err != nil {
		return session{}, errNoSession
	}
	age := p.now().Sub(time.Unix(s.Issued, 0))
	if s.people = p.people(s.Method); s.people == nil || age < -skew || age >= sessionLife {
		return session{}, errNoSession
	}
	l, err := s.login(r.Context())
	if err != nil {
		return s, err
	}
	s.labels = l.Labels
	return s, p.open(r.Context(), s)
}

// endedArea is where sessions are that were logged out: session/<id>, while
// somebody could still show their cookies. That the browser throws those away
// helps nobody whose cookies were copied (CWE-613).
const endedArea = "session/"

// open returns errNoSession if s was logged out.
func (p *Pages) open(ctx context.Context, s session) error {
	_, err := p.store.Get(ctx, endedArea+s.ID)
	switch {
	case err == nil:
		return errNoSession
	case errors.Is(err, state.ErrNotFound):
		return nil
	}
	return err
}

// end logs s out, for all gates.
func (p *Pages) end(ctx context.Context, s session) error {
	_, err := p.store.Put(ctx, endedArea+s.ID, nil, state.PutOpts{TTL: sessionLife + skew})
	return err
}

// login returns the login that s is of, or errNoSession if that has ended.
func (s session) login(ctx context.Context) (login, error) {
	edge.RecordFrom(ctx).Subject = s.Account
	l, err := s.people.present(ctx, s.Account, s.Subject)
	if errors.Is(err, authn.ErrUnknownUser) {
		return login{}, errNoSession
	}
	return l, err
}

// errForeign says that a form was not sent by one of our pages.
var errForeign = errors.New("the form was not sent by a page that was made for this session")

// ours returns an error unless the form was sent by a page of ours that was
// made for this session.
func (s session) ours(r *http.Request) error {
	if !fromHere(r) || subtle.ConstantTimeCompare([]byte(r.PostForm.Get("csrf")), []byte(s.CSRF)) != 1 {
		return errForeign
	}
	return nil
}

// fromHere reports whether the browser says that a page of ours has sent the
// request. Since the pages have it tell nobody where it comes from, the origin
// of their forms is "null" (Fetch 3.1), and what counts is Sec-Fetch-Site, which
// a page of somebody else cannot change.
func fromHere(r *http.Request) bool {
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	if site != "" && site != "same-origin" {
		return false
	}
	return origin == "" || origin == "null" || origin == edge.Origin(r)
}

// logOut ends the session in this browser.
func (p *Pages) logOut(w http.ResponseWriter, r *http.Request) error {
	s, err := p.posted(r)
	switch {
	case errors.Is(err, errNoSession):
		return goTo(w, loginPath)
	case err != nil:
		return p.sayWrong(w, r, err)
	}
	if err := p.end(r.Context(), s); err != nil {
		return p.sayWrong(w, r, err)
	}
	forget(w, sessionCookie)
	forget(w, madeCookie)
	p.log.Info("logged out", zap.String("subject", s.Account), zap.String("method", s.Method))
	return goTo(w, loginPath)
}
