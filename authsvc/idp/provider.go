package idp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/regate/regate/authsvc/authn"
)

// A provider speaks OpenID Connect. Google is one, and so are those of OIDC;
// they differ in whom they take a session for.
type provider struct {
	client   client
	offline  bool // asks for offline_access where that is known
	terms    Terms
	bound    time.Duration // for all that a step of a login takes
	person   func(context.Context, session) (Person, error)
	document remembered[document]
	keys     keys
	verifier *oidc.IDTokenVerifier
}

func newProvider(issuer string, c client, cfg Client) *provider {
	p := &provider{client: c, terms: cfg.terms(c.title, issuer), bound: cfg.bound()}
	now := time.Now
	p.document.now, p.keys.set.now = now, now
	p.document.load = func(ctx context.Context) (document, error) { return discover(ctx, c.http, issuer) }
	p.keys.set.load = func(ctx context.Context) (*oidc.StaticKeySet, error) {
		d, err := p.about(ctx)
		if err != nil {
			return nil, err
		}
		return fetchKeys(ctx, c.http, d.KeysURL)
	}
	p.verifier = verifier(issuer, c.id, &p.keys, now)
	return p
}

// Terms say how long its word counts.
func (p *provider) Terms() Terms { return p.terms }

// Close ends idle connections.
func (p *provider) Close() { p.client.http.CloseIdleConnections() }

// Exchange returns who has logged in.
func (p *provider) Exchange(ctx context.Context, r Return) (Person, error) {
	ctx, cancel := context.WithTimeout(ctx, p.bound)
	defer cancel()
	s, err := p.begin(ctx, r)
	if err != nil {
		return Person{}, p.client.discreet(err, r.Code, r.Verifier, r.Nonce)
	}
	who, err := p.person(ctx, s)
	if err != nil {
		return Person{}, p.client.discreet(err, r.Code, r.Verifier, r.Nonce)
	}
	who.Refresh = s.refresh
	return who, nil
}

// Renew asks about somebody who logged in before. Beside an error that is no
// Refusal there may be a Refresh, which is then the one to keep.
func (p *provider) Renew(ctx context.Context, account string, refresh authn.Secret) (Person, error) {
	ctx, cancel := context.WithTimeout(ctx, p.bound)
	defer cancel()
	s, err := p.again(ctx, refresh)
	var who Person
	if err == nil {
		who, err = p.person(ctx, s)
	}
	switch {
	case errors.Is(err, errGone):
		err = &Refusal{Msg: "you have no account at " + p.client.title + " any more"}
	case err == nil:
		err = still(account, who, p.client.title)
	}
	return answer(who, s.refresh, p.client.discreet(err, refresh.Reveal()))
}

func (p *provider) about(ctx context.Context) (document, error) {
	return p.document.get(ctx, documentLife)
}

func (p *provider) authURL(ctx context.Context, s Start, more ...oauth2.AuthCodeOption) (string, error) {
	d, err := p.about(ctx)
	if err != nil {
		return "", p.client.discreet(err)
	}
	if p.offline && slices.Contains(d.Scopes, oidc.ScopeOfflineAccess) {
		more = append(more, oauth2.SetAuthURLParam("scope", strings.Join(p.client.scopes, " ")+" "+oidc.ScopeOfflineAccess))
	}
	return p.client.authURL(d.endpoint(), s, append(more, oidc.Nonce(s.Nonce))...), nil
}

// A session is what a provider says about somebody who is logged in.
type session struct {
	tokens
	claims claims
}

// begin makes a session of a login.
func (p *provider) begin(ctx context.Context, r Return) (s session, err error) {
	d, err := p.about(ctx)
	if err != nil {
		return s, err
	}
	if s.tokens, err = p.client.exchange(ctx, d.endpoint(), r); err != nil {
		return s, err
	}
	c, token, err := p.checked(ctx, s.tokens)
	if err != nil {
		return s, err
	}
	if !sameNonce(token, r.Nonce) {
		return s, errors.New("ID token: it was made for another login")
	}
	s.claims = c
	return s, nil
}

// again makes a session of a refresh token. There may be an ID token, which has
// no nonce then (OpenID Connect Core 12.2). The tokens count beside an error.
func (p *provider) again(ctx context.Context, refresh authn.Secret) (s session, err error) {
	d, err := p.about(ctx)
	if err != nil {
		return s, err
	}
	if s.tokens, err = p.client.renew(ctx, d.endpoint(), refresh); err != nil {
		return s, err
	}
	if s.id == "" {
		s.claims, err = p.userInfo(ctx, s.access)
	} else {
		s.claims, _, err = p.checked(ctx, s.tokens)
	}
	return s, err
}

// complete asks for what is wanted and not among the claims of s, where the
// provider has more to say.
func (p *provider) complete(ctx context.Context, s session, wanted ...string) error {
	d, err := p.about(ctx)
	if err != nil {
		return err
	}
	if d.UserInfoURL != "" && slices.ContainsFunc(wanted, func(name string) bool { return !s.claims.has(name) }) {
		more, err := p.userInfo(ctx, s.access)
		if err != nil {
			return err
		}
		mine, _ := s.claims.text("sub")
		theirs, _ := more.text("sub")
		if mine != theirs { // OpenID Connect Core 5.3.2
			return errors.New("the ID token and userinfo are about different people")
		}
		if err := s.claims.add(more); err != nil {
			return err
		}
	}
	return s.claims.elsewhere(wanted)
}

// elsewhere is an error if one of these claims is said to be had somewhere
// else, as Entra ID does with groups when there are more than fit into a token.
func (c claims) elsewhere(names []string) error {
	var at map[string]any
	if !c.has("_claim_names") || json.Unmarshal(c["_claim_names"], &at) != nil {
		return nil
	}
	for _, name := range names {
		if _, ok := at[name]; ok && !c.has(name) {
			return fmt.Errorf("the claim %s is too large for the provider to send: have it send fewer groups, such as those of this client alone", name)
		}
	}
	return nil
}

// errGone: a token that was given out just now is for nobody.
var errGone = errors.New("userinfo: the provider does not take its own token")

func (p *provider) userInfo(ctx context.Context, access authn.Secret) (claims, error) {
	d, err := p.about(ctx)
	if err != nil {
		return nil, err
	}
	if d.UserInfoURL == "" {
		return nil, errors.New("there is neither an ID token nor userinfo")
	}
	r, err := get(ctx, p.client.http, d.UserInfoURL, access)
	if err != nil {
		return nil, err
	}
	if r.status == http.StatusUnauthorized {
		return nil, errGone
	}
	c := make(claims)
	if err := r.decode(&c); err != nil {
		return nil, fmt.Errorf("userinfo: %w", err)
	}
	if sub, _ := c.text("sub"); sub == "" {
		return nil, errors.New("userinfo: it is about nobody")
	}
	return c, nil
}
