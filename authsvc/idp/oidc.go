package idp

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/oauth2"

	"github.com/regate/regate/authsvc/authn"
)

// OIDC is any provider that speaks OpenID Connect.
type OIDC struct {
	*provider
	cfg      OIDCConfig
	patterns map[string]bool
}

// NewOIDC returns the provider that cfg, which is valid, describes. It reads
// files and connects to nothing. What is wrong with a file is a problem.List.
func NewOIDC(cfg OIDCConfig) (*OIDC, error) {
	offline := len(cfg.Scopes) == 0
	cfg = cfg.withDefaults()
	c, err := newClient(cfg.Client, line{plain: isPlain(cfg.Issuer)}, cfg.CACertificate)
	if err != nil {
		return nil, err
	}
	c.scopes, c.redirect, c.title = cfg.Scopes, cfg.RedirectURL, cfg.Title
	p := &OIDC{newProvider(cfg.Issuer, c, cfg.Client), cfg, set(cfg.LabelPatterns)}
	p.person, p.offline = p.read, offline
	return p, nil
}

// AuthURL returns where to send the browser. The provider is asked who it is
// if that is not known yet.
func (p *OIDC) AuthURL(ctx context.Context, s Start) (string, error) {
	var more []oauth2.AuthCodeOption
	if p.cfg.Prompt != "" {
		more = append(more, oauth2.SetAuthURLParam("prompt", p.cfg.Prompt))
	}
	return p.authURL(ctx, s, more...)
}

// read finds out who a session is of.
func (p *OIDC) read(ctx context.Context, s session) (who Person, err error) {
	if err := p.complete(ctx, s, p.wanted()...); err != nil {
		return who, err
	}
	who.Subject, _ = s.claims.text("sub")
	if who.Account, err = p.account(s.claims); err != nil {
		return Person{}, err
	}
	who.Labels = make(authn.Labels)
	for _, name := range p.cfg.labels() {
		values, err := s.claims.label(name, p.patterns[name])
		if err != nil {
			return Person{}, err
		}
		if len(values) > 0 {
			who.Labels[name] = values
		}
		if !s.claims.has(name) {
			who.Missing = append(who.Missing, name)
		}
	}
	return who, nil
}

func (p *OIDC) wanted() []string {
	wanted := append(p.cfg.labels(), p.cfg.UserClaim)
	if p.cfg.UserClaim == emailClaim {
		wanted = append(wanted, verifiedClaim)
	}
	return wanted
}

func (p *OIDC) account(c claims) (string, error) {
	name, ok := c.text(p.cfg.UserClaim)
	if !ok {
		return "", &Misfit{"it may need a scope (scopes), or user_claim is another", fmt.Errorf("there is no claim %s, which is the account", p.cfg.UserClaim)}
	}
	if p.cfg.UserClaim != emailClaim {
		return account(name)
	}
	switch yes, said := c.verified(); {
	case said && !yes:
		return "", unverified(p.cfg.Title, name)
	case !said && !p.cfg.TrustEmail:
		return "", &Misfit{"have it send email_verified, choose another user_claim, or set trust_email if nobody can give themselves another's address there",
			errors.New("the provider does not say whether the e-mail address is verified")}
	}
	return folded(name)
}

func unverified(title, email string) error {
	who, _ := folded(email)
	return &Refusal{Msg: "your e-mail address is not verified at " + title, Who: who}
}
