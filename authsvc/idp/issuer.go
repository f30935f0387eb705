package idp

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/regate/regate/internal/problem"
)

// An Issuer checks the JWTs that a server has issued for workloads, such as the
// jobs of a CI: those are nobody's session, and no browser is involved.
//
// The keys are asked for when the first token comes, and kept: while the server
// is down, its tokens go on being good for a day.
type Issuer struct {
	cfg        IssuerConfig
	algorithms []jose.SignatureAlgorithm
	keys       *issuerKeys
	now        func() time.Time
}

// NewIssuer returns the issuer that cfg, which is valid, describes; now tells
// the time, nil is the system's. It reads files and connects to nothing. What is
// wrong with a file is a problem.List.
func NewIssuer(cfg IssuerConfig, now func() time.Time) (*Issuer, error) {
	if now == nil {
		now = time.Now
	}
	cfg = cfg.withDefaults()
	i := &Issuer{cfg: cfg, now: now}
	for _, name := range cfg.Algorithms {
		i.algorithms = append(i.algorithms, jose.SignatureAlgorithm(name))
	}
	var wrong problem.List
	var err error
	i.keys, err = newIssuerKeys(cfg, now)
	wrong.Under("", err)
	return i, wrong.Err()
}

// Close ends idle connections.
func (i *Issuer) Close() error {
	i.keys.close()
	return nil
}

// Verify returns the claims of a JWT of this issuer that is good now and for us.
// One that is not is a Refusal; any other error is that it cannot be told.
func (i *Issuer) Verify(ctx context.Context, jwt string) (Claims, error) {
	signed, err := i.parse(jwt)
	if err != nil {
		return nil, err
	}
	payload, err := i.keys.verify(ctx, signed)
	if err != nil {
		return nil, discreet(err, jwt)
	}
	raw, err := parseObject(payload)
	if err != nil {
		return nil, refused("its claims cannot be read")
	}
	if err := i.check(raw); err != nil {
		return nil, err
	}
	return flatten(raw).(Claims), nil
}

// refused is a Refusal of a token.
func refused(format string, args ...any) error {
	return &Refusal{Msg: "the token of the issuer is not good here: " + fmt.Sprintf(format, args...)}
}

// parse reads the form of a token. A header that says how else it must be
// understood (RFC 7515 4.1.11) has no use here, but could make two readers
// disagree.
func (i *Issuer) parse(jwt string) (*jose.JSONWebSignature, error) {
	signed, err := jose.ParseSignedCompact(jwt, i.algorithms)
	if err != nil || len(signed.Signatures) != 1 {
		return nil, refused("it is damaged, or signed by another algorithm than %v", i.algorithms)
	}
	for _, name := range []jose.HeaderKey{"crit", "b64", "zip"} {
		if _, there := signed.Signatures[0].Header.ExtraHeaders[name]; there {
			return nil, refused("its header has %s", name)
		}
	}
	return signed, nil
}

// check compares the claims of a token with what it must be (RFC 7519 4.1).
func (i *Issuer) check(raw map[string]any) error {
	if iss, _ := raw["iss"].(string); iss != i.cfg.Issuer {
		return refused("it is another issuer's")
	}
	if !slices.ContainsFunc(texts(raw["aud"]), func(name string) bool { return slices.Contains(i.cfg.Audience, name) }) {
		return refused("its audience is %.200q, and must be %q", texts(raw["aud"]), i.cfg.Audience)
	}
	return i.checkTimes(raw)
}

func (i *Issuer) checkTimes(raw map[string]any) error {
	now, leeway := i.now(), i.cfg.Leeway
	exp, ok := moment(raw["exp"])
	if !ok {
		return refused("it has no exp, which is its end")
	}
	iat, ok := moment(raw["iat"])
	if !ok {
		return refused("it has no iat, which is when it was issued")
	}
	nbf, ok := moment(raw["nbf"])
	if _, there := raw["nbf"]; there && !ok {
		return refused("its nbf is no time")
	}
	switch {
	case !now.Before(exp.Add(leeway)):
		return refused("it has expired")
	case now.Before(nbf.Add(-leeway)):
		return refused("it is not good yet")
	case now.Before(iat.Add(-leeway)):
		return refused("it is from the future")
	case now.After(iat.Add(i.cfg.MaxAge).Add(leeway)):
		return refused("it is older than %v", i.cfg.MaxAge)
	}
	return nil
}
