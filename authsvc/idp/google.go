package idp

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/oauth2"
)

const (
	googleIssuer = "https://accounts.google.com"
	googleTitle  = "Google"
	hostedDomain = "hd" // the claim with the Workspace of an account
)

// Google has the accounts of Google.
type Google struct {
	*provider
	cfg GoogleConfig
}

// NewGoogle returns the provider that cfg, which is valid, describes. It reads
// files and connects to nothing. What is wrong with a file is a problem.List.
func NewGoogle(cfg GoogleConfig) (*Google, error) { return newGoogle(cfg, googleIssuer) }

func newGoogle(cfg GoogleConfig, issuer string) (*Google, error) {
	cfg = cfg.withDefaults()
	c, err := newClient(cfg.Client, line{plain: isPlain(issuer)}, "")
	if err != nil {
		return nil, err
	}
	c.scopes, c.title = []string{"openid", "email"}, googleTitle
	p := &Google{newProvider(issuer, c, cfg.Client), cfg}
	p.person = p.read
	return p, nil
}

// Terms say how long its word counts.
func (p *Google) Terms() Terms {
	t := p.provider.Terms()
	t.Consent = true
	return t
}

// AuthURL returns where to send the browser. Google gives a refresh token for
// access_type=offline, and only where the person is asked for consent: the
// first time, and when that is wished.
func (p *Google) AuthURL(ctx context.Context, s Start) (string, error) {
	more := []oauth2.AuthCodeOption{oauth2.AccessTypeOffline}
	if p.cfg.Domain != "" {
		more = append(more, oauth2.SetAuthURLParam(hostedDomain, p.cfg.Domain))
	}
	if s.Consent {
		more = append(more, oauth2.SetAuthURLParam("prompt", "consent"))
	}
	return p.authURL(ctx, s, more...)
}

// read finds out who a session is of.
func (p *Google) read(ctx context.Context, s session) (who Person, err error) {
	wanted := []string{emailClaim, verifiedClaim}
	if p.cfg.Domain != "" {
		wanted = append(wanted, hostedDomain)
	}
	if err := p.complete(ctx, s, wanted...); err != nil {
		return who, err
	}
	email, ok := s.claims.text(emailClaim)
	if !ok {
		return who, errors.New("there is no claim email, which is the account")
	}
	switch yes, said := s.claims.verified(); {
	case !said:
		return who, errors.New("there is no claim email_verified")
	case !yes:
		return who, unverified(googleTitle, email)
	}
	if who.Account, err = folded(email); err != nil {
		return Person{}, err
	}
	if !p.ours(s.claims, who.Account) {
		return Person{}, &Refusal{Msg: fmt.Sprintf("the account %s is not one of %s", who.Account, p.cfg.Domain), Who: who.Account}
	}
	who.Subject, _ = s.claims.text("sub")
	return who, nil
}

// ours reports whether the account is one of the domain. An address there is
// not enough: a private Google account can have it too, and keeps it when its
// owner leaves.
func (p *Google) ours(c claims, account string) bool {
	if p.cfg.Domain == "" {
		return true
	}
	hosted, _ := c.text(hostedDomain)
	_, domain, _ := strings.Cut(account, "@")
	return domain == p.cfg.Domain && strings.EqualFold(hosted, p.cfg.Domain)
}
