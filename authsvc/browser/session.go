package browser

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"time"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/idp"
	"github.com/regate/regate/internal/edge"
)

// sessionLife is how long somebody stays logged in on the pages. Tokens have
// lives of their own.
const sessionLife = 12 * time.Hour

// A session is who uses the pages. It ends with its time, and with the login
// that it is of.
type session struct {
	Account string `json:"account"`
	Method  string `json:"method"`
	Subject string `json:"subject"`
	Issued  int64  `json:"issued"` // Unix seconds
	CSRF    string `json:"csrf"`   // is in each form

	people *People
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
		Account: person.Account, Method: people.Name(), Subject: person.Subject,
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
	if s.people = p.people(s.Method); s.people == nil || age < -time.Minute || age >= sessionLife {
		return session{}, errNoSession
	}
	return s, s.check(r.Context())
}

func (s session) check(ctx context.Context) error {
	edge.RecordFrom(ctx).Subject = s.Account
	_, err := s.people.present(ctx, s.Account, s.Subject)
	if errors.Is(err, authn.ErrUnknownUser) {
		return errNoSession
	}
	return err
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
