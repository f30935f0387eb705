package workload

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/idp"
	"github.com/regate/regate/internal/problem"
)

// Users are the accounts of workloads.
type Users struct {
	issuers map[string]*issuer
	log     *zap.Logger
}

// An issuer is one that is configured.
type issuer struct {
	*idp.Issuer
	cfg   IssuerConfig
	rules []rule
}

// New makes the accounts that c, which must be valid, has for the tokens of
// issuers; now tells the time, nil is the system's. It connects to nothing.
func New(c Config, now func() time.Time, log *zap.Logger) (*Users, error) {
	if log == nil {
		log = zap.NewNop()
	}
	u := &Users{issuers: make(map[string]*issuer, len(c)), log: log.Named("workload")}
	var bad problem.List
	for i, cfg := range c {
		checks, err := idp.NewIssuer(cfg.IssuerConfig, now)
		bad.Under(fmt.Sprintf("[%d]", i), err)
		one := &issuer{Issuer: checks, cfg: cfg}
		for _, r := range cfg.Rules {
			one.rules = append(one.rules, compileRule(r))
		}
		u.issuers[cfg.Issuer] = one
	}
	return u, bad.Err()
}

// Inherit takes over the issuers of was that are the same, with the keys that
// they have: same says of a file whether it holds what it held.
func (u *Users) Inherit(was *Users, same func(path string) bool) {
	for name, now := range u.issuers {
		before := was.issuers[name]
		if before == nil || !reflect.DeepEqual(before.cfg.IssuerConfig, now.cfg.IssuerConfig) || !same(now.cfg.CA) || !same(now.cfg.JWKSFile) {
			continue
		}
		now.Issuer = before.Issuer
	}
}

// Close ends idle connections.
func (u *Users) Close() error {
	for _, one := range u.issuers {
		_ = one.Close() // they are idle
	}
	return nil
}

// Before lets those in who show a token of an issuer that is known here, and
// leaves everybody else to others.
func (u *Users) Before(others authn.Authenticator) authn.Authenticator {
	return authn.Func(func(ctx context.Context, c authn.Credentials) (authn.Identity, error) {
		if c.Certified() || !idp.IsJWT(c.Password.Reveal()) {
			return others.Authenticate(ctx, c)
		}
		name := idp.IssuerOf(c.Password.Reveal())
		if known := u.issuers[name]; known != nil {
			return u.login(ctx, known, c)
		}
		id, err := others.Authenticate(ctx, c)
		if errors.Is(err, authn.ErrUnknownUser) {
			err = fmt.Errorf("%w: the password is a token, and its issuer %.256q is none of jwt_auth", err, name)
		}
		return id, err
	})
}

// A refusal is a token that is not good, with more for the log than whoever
// shows it is told.
type refusal struct {
	*idp.Refusal
	of string
}

func (r *refusal) Error() string { return "token of " + r.of }

// Unwrap has it be a wrong password.
func (r *refusal) Unwrap() []error { return []error{authn.ErrWrongPassword, r.Refusal} }

// refuse makes of what is wrong with a token what it is to a chain.
func refuse(err error, of string) error {
	var no *idp.Refusal
	if errors.As(err, &no) {
		return &refusal{no, of}
	}
	return authn.Undecided(fmt.Errorf("token of %s: %w", of, err))
}

// login lets in whoever the issuer and its rules vouch for.
func (u *Users) login(ctx context.Context, by *issuer, c authn.Credentials) (authn.Identity, error) {
	claims, err := by.Verify(ctx, c.Password.Reveal())
	if err != nil {
		return authn.Identity{}, refuse(err, by.cfg.Issuer)
	}
	sub, _ := claims["sub"].(string)
	i := slices.IndexFunc(by.rules, func(r rule) bool { return r.matches(claims) })
	if i < 0 {
		return authn.Identity{}, refuse(unfit("no rule of jwt_auth is for it; its sub is %.256q", sub), by.cfg.Issuer)
	}
	id, err := by.rules[i].identify(claims)
	if err != nil {
		return authn.Identity{}, refuse(err, fmt.Sprintf("%s, rule %d, sub %.256q", by.cfg.Issuer, i, sub))
	}
	u.log.Info("workload logged in", zap.String("issuer", by.cfg.Issuer), zap.Int("rule", i), zap.String("sub", sub),
		zap.String("subject", id.Account), zap.String("user", c.Account))
	return id, nil
}
