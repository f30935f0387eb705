package browser

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/idp"
	"github.com/regate/regate/authsvc/secret"
	"github.com/regate/regate/internal/cache"
	"github.com/regate/regate/internal/state"
)

// People are those who have logged in by one method. As an authn.Authenticator
// they let nobody in, but keep their names from those who are asked after them;
// as an authn.Finder they vouch for whoever shows a personal token.
type People struct {
	method Method
	before authn.Finder
	holder func(ctx context.Context, account string) string
	store  state.Store
	book   *secret.Book
	now    func() time.Time
	log    *zap.Logger

	ending chan struct{} // has one for each login that the provider is asked about
	asking cache.Flights[string, login]
	failed *cache.Cache[string, error] // of providers that were just asked in vain
	warned sync.Map                    // what the operator has been told of the provider
}

var (
	_ authn.Authenticator = (*People)(nil)
	_ authn.Finder        = (*People)(nil)
)

// PeopleParts are what People are made of.
type PeopleParts struct {
	Method Method
	Before authn.Finder // whose names nobody can take by logging in; nil has none
	// Holder says for the log which of Before has an account, by its key in the
	// configuration; "" if it cannot tell. nil never can.
	Holder func(ctx context.Context, account string) string
	Store  state.Store
	Book   *secret.Book
	Now    func() time.Time // the clock; nil is time.Now
	Log    *zap.Logger      // nil is silence
}

// NewPeople makes People. It asks neither the provider nor the state.
func NewPeople(p PeopleParts) *People {
	if p.Before == nil {
		p.Before = authn.Chain{}
	}
	if p.Holder == nil {
		p.Holder = func(context.Context, string) string { return "" }
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	if p.Log == nil {
		p.Log = zap.NewNop()
	}
	return &People{
		method: p.Method, before: p.Before, holder: p.Holder, store: p.Store, book: p.Book, now: p.Now,
		log:    p.Log.Named("browser").With(zap.String("method", p.Method.Name)),
		ending: make(chan struct{}, mostAtOnce),
		failed: cache.New[string, error](cache.Options{TTL: askAgain, Now: p.Now}),
	}
}

// Name is that of the method.
func (p *People) Name() string { return p.method.Name }

// Close ends the provider's idle connections.
func (p *People) Close() error {
	if c, ok := p.method.Provider.(interface{ Close() }); ok {
		c.Close()
	}
	return nil
}

var (
	errTaken   = errors.New("the name is that of an account which logs in another way")
	errStarted = errors.New("has logged in with a browser, and has personal tokens in the place of a password")
)

// Authenticate is authn.Authenticator's. Nobody here has a password.
func (p *People) Authenticate(ctx context.Context, c authn.Credentials) (authn.Identity, error) {
	if c.Account == "" || c.Certified() {
		return authn.Identity{}, authn.ErrUnknownUser
	}
	if _, err := p.read(ctx, c.Account); err != nil {
		return authn.Identity{}, err
	}
	return authn.Identity{}, fmt.Errorf("%w: %w", authn.ErrWrongPassword, errStarted)
}

// Find is authn.Finder's. The labels are those of the provider's last answer,
// which is not older than the terms say; where it cannot be asked, not older
// than a day. ErrUnknownUser is also said of an account whose name was given to
// somebody before.
func (p *People) Find(ctx context.Context, account string) (authn.Identity, error) {
	if err := p.free(ctx, account); err != nil {
		return authn.Identity{}, err
	}
	l, err := p.current(ctx, account)
	if err != nil {
		return authn.Identity{}, err
	}
	return authn.Identity{Account: account, Labels: l.Labels}, nil
}

// free returns an error if the name is somebody's before: then it is errTaken
// and authn.ErrUnknownUser.
func (p *People) free(ctx context.Context, account string) error {
	_, err := p.before.Find(ctx, account)
	switch {
	case err == nil:
		return fmt.Errorf("%w: %w", authn.ErrUnknownUser, errTaken)
	case errors.Is(err, authn.ErrUnknownUser):
		return nil
	}
	return err
}

// present returns the login of somebody whose browser says that it is theirs.
// The provider is not asked.
func (p *People) present(ctx context.Context, account, subject string) (login, error) {
	if err := p.free(ctx, account); err != nil {
		return login{}, err
	}
	l, err := p.read(ctx, account)
	if err == nil && (p.ended(l) || l.Subject != subject) {
		err = authn.ErrUnknownUser
	}
	return l, err
}

// enter notes that a person has logged in now.
func (p *People) enter(ctx context.Context, person idp.Person) error {
	if err := p.free(ctx, person.Account); err != nil {
		return err
	}
	for range 3 {
		err := p.enterOnce(ctx, person)
		if !errors.Is(err, state.ErrConflict) { // or somebody has just asked about the login before
			return err
		}
	}
	return fmt.Errorf("login of %q: %w", person.Account, state.ErrConflict)
}

// wantsConsent reports whether the provider has given nothing to ask it again
// with, and would if the person agreed once more. That is so with Google where
// they have agreed before, and what it gave then is lost.
func (p *People) wantsConsent(ctx context.Context, account string) bool {
	l, err := p.read(ctx, account)
	return err == nil && l.Refresh == "" && p.method.Provider.Terms().Consent
}

func (p *People) enterOnce(ctx context.Context, person idp.Person) error {
	old, err := p.read(ctx, person.Account)
	known := err == nil
	if err != nil && !errors.Is(err, authn.ErrUnknownUser) {
		return err
	}
	if !known || old.Subject != person.Subject || p.ended(old) {
		// Whoever made the tokens was somebody else, or has been away for so long
		// that they have ended, or that nobody knows who it was: tokens can be
		// good for longer than the state remembers a login.
		if err := p.revoke(ctx, person.Account, "the login before has ended"); err != nil {
			return err
		}
		old.Refresh = ""
	}
	now := p.now().Unix()
	next := login{
		Issuer: p.method.Provider.Terms().Issuer, Subject: person.Subject, Refresh: person.Refresh.Reveal(),
		Labels: person.Labels, Since: now, Asked: now, rev: old.rev,
	}
	if next.Refresh == "" {
		next.Refresh = old.Refresh // some give one at the first login only
	}
	return p.write(ctx, person.Account, next)
}

// revoke ends the tokens of an account, as far as this method vouched for it.
func (p *People) revoke(ctx context.Context, account, why string) error {
	n, err := p.book.RevokeAll(ctx, account, p.method.Name)
	if err != nil {
		return fmt.Errorf("revoke the tokens of %q: %w", account, err)
	}
	if n > 0 {
		p.log.Info("tokens revoked", zap.String("subject", account), zap.Int("tokens", n), zap.String("reason", why))
	}
	return nil
}
