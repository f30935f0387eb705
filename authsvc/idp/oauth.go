package idp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"

	"golang.org/x/oauth2"

	"github.com/regate/regate/authsvc/authn"
)

// discreet is discreet about the client secret too.
func (c *client) discreet(err error, secrets ...string) error {
	return discreet(err, append(secrets, c.secret.Reveal())...)
}

// A client is the gate, as one provider knows it.
type client struct {
	id       string
	secret   authn.Secret
	scopes   []string
	redirect string // in place of the one that a login has; "" for that
	title    string // of the provider
	http     *http.Client
}

// tokens are what a provider gives out.
type tokens struct {
	access  authn.Secret
	refresh authn.Secret // "" if there is none
	id      string       // the ID token, "" if there is none
}

func (c *client) config(at oauth2.Endpoint, redirect string) oauth2.Config {
	if c.redirect != "" {
		redirect = c.redirect
	}
	return oauth2.Config{ClientID: c.id, ClientSecret: c.secret.Reveal(), Endpoint: at, RedirectURL: redirect, Scopes: c.scopes}
}

// authURL is where a browser is sent. PKCE is sent to all: whoever does not
// know it ignores it (RFC 7636 5).
func (c *client) authURL(at oauth2.Endpoint, s Start, more ...oauth2.AuthCodeOption) string {
	config := c.config(at, s.Redirect)
	return config.AuthCodeURL(s.State, append(more, oauth2.S256ChallengeOption(s.Verifier))...)
}

// exchange makes tokens of the code.
func (c *client) exchange(ctx context.Context, at oauth2.Endpoint, r Return) (tokens, error) {
	config := c.config(at, r.Redirect)
	got, err := config.Exchange(c.with(ctx), r.Code, oauth2.VerifierOption(r.Verifier))
	if err != nil {
		return tokens{}, c.refusal(at, err, "this login is over already, or took too long; please begin again")
	}
	return read(got), nil
}

// renew makes tokens of a refresh token. The answer has the one to use from
// now on, which is the same where the provider gives no new one.
func (c *client) renew(ctx context.Context, at oauth2.Endpoint, refresh authn.Secret) (tokens, error) {
	config := c.config(at, "")
	got, err := config.TokenSource(c.with(ctx), &oauth2.Token{RefreshToken: refresh.Reveal()}).Token()
	if err != nil {
		return tokens{}, c.refusal(at, err, "the login at "+c.title+" has ended; please log in again")
	}
	return read(got), nil
}

func (c *client) with(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, c.http)
}

func read(t *oauth2.Token) tokens {
	id, _ := t.Extra("id_token").(string)
	return tokens{access: authn.Secret(t.AccessToken), refresh: authn.Secret(t.RefreshToken), id: id}
}

// over are the errors that say of a code or refresh token that it is no good
// any more: the standard's (RFC 6749 5.2), and GitHub's own.
var over = []string{"invalid_grant", "bad_verification_code", "bad_refresh_token"}

// errorCode is what an error of the standard looks like.
var errorCode = regexp.MustCompile(`^[a-z_]{1,40}$`)

// refusal tells a clear no from whatever else went wrong. All others, such as
// invalid_client, are the operator's to mend, and nobody's login ends for them.
func (c *client) refusal(at oauth2.Endpoint, err error, msg string) error {
	host := hostOf(at.TokenURL)
	var said *oauth2.RetrieveError
	if !errors.As(err, &said) {
		return unanswered(host, err)
	}
	status, code := said.Response.StatusCode, said.ErrorCode
	if slices.Contains(over, code) && status < 500 && status != http.StatusTooManyRequests {
		return &Refusal{Msg: msg}
	}
	err = &statusError{host, status}
	if !errorCode.MatchString(code) {
		return err
	}
	err = fmt.Errorf("%w: %s", err, code)
	if said.ErrorDescription != "" {
		err = fmt.Errorf("%w: %s", err, said.ErrorDescription) // not shown as it is: see discreet
	}
	return misfit(code, err)
}
