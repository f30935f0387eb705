package idp

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/regate/regate/authsvc/authn"
)

// fetch asks for the keys.
func (k *issuerKeys) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	ctx, cancel := context.WithTimeout(ctx, keysTimeout)
	defer cancel()
	token, err := authn.ReadSecret(k.cfg.TokenFile, "")
	if err != nil {
		return nil, fmt.Errorf("token_file: %w", err)
	}
	address, own := k.cfg.JWKSURL, true
	if address == "" {
		if address, err = k.discover(ctx, token); err != nil {
			return nil, err
		}
		own = sameServer(address, k.cfg.Issuer)
	}
	if !own {
		token = ""
	}
	var all jwks
	if err := askJSON(ctx, k.http, question{address, token}, &all); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return all.usable()
}

// discover asks the issuer where its keys are. Nothing else in its document is
// of use: an issuer for workloads has no page to log in at.
func (k *issuerKeys) discover(ctx context.Context, token authn.Secret) (string, error) {
	var d document
	at := strings.TrimSuffix(k.cfg.Issuer, "/") + wellKnown
	if err := askJSON(ctx, k.http, question{at, token}, &d); err != nil {
		return "", misplaced(fmt.Errorf("discovery: %w", err))
	}
	if d.Issuer != k.cfg.Issuer {
		return "", &Misfit{"write issuer as it does", fmt.Errorf("discovery: the issuer calls itself %q, and is %q in the configuration", d.Issuer, k.cfg.Issuer)}
	}
	if !reachable(d.KeysURL, isPlain(k.cfg.Issuer)) {
		return "", fmt.Errorf("discovery: %q is no https address", d.KeysURL)
	}
	return d.KeysURL, nil
}

// sameServer reports whether two addresses are of one server. The keys may be
// with another one, which sees no token that was meant for the issuer.
func sameServer(a, b string) bool {
	one, err := url.Parse(a)
	other, wrong := url.Parse(b)
	return err == nil && wrong == nil && one.Scheme == other.Scheme && one.Host == other.Host
}
