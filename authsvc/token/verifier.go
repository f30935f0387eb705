package token

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/regate/regate/internal/cache"
	"github.com/regate/regate/internal/keyring"
	"github.com/regate/regate/internal/oci"
)

// What is remembered of verified tokens: those of 10,000 clients that are at
// work at the same time, a few hundred bytes each. Tokens with long scopes are
// verified anew each time, or one account could fill the memory with them.
const (
	mostKnown     = 10_000
	maxRemembered = 4 << 10 // bytes of a token
)

// A Verifier returns the grants behind clients' tokens. It is asked with every
// request, and what it has verified once it remembers. Its methods may be
// called at the same time by many goroutines.
type Verifier struct {
	cfg     Config
	keys    *keyring.Ring
	revoked *Revocations
	now     func() time.Time
	known   *cache.Cache[[sha256.Size]byte, verified]

	namespaces map[string]string // by audience; "" is that of the service
}

// verified is a token whose signature was good; it has its dates still to be
// compared with the clock.
type verified struct {
	grant     oci.Grant // without the token itself
	family    string
	issued    time.Time
	notBefore time.Time
}

// NewVerifier returns a Verifier for tokens of cfg's issuer and service, and for
// those that are good for one of p's namespaces alone.
func NewVerifier(cfg Config, p Parts) *Verifier {
	p, cfg = p.withDefaults(), cfg.WithDefaults()
	known := cache.New[[sha256.Size]byte, verified](cache.Options{Size: mostKnown, TTL: minExpiration * time.Second, Now: p.Now})
	namespaces := map[string]string{cfg.Service: ""}
	for _, n := range p.Namespaces {
		namespaces[n.Audience(cfg.Service)] = n.Name
	}
	return &Verifier{cfg, p.Keys, p.Revoked, p.Now, known, namespaces}
}

// Verify returns the grant behind a token. Its error is an *oci.Refusal. The
// scope of the grant is shared with other requests and must not be changed.
func (v *Verifier) Verify(text string) (oci.Grant, error) { return v.VerifyLate(text, 0) }

// VerifyLate does the same for a token that may have expired up to grace ago,
// which the grant's Expires then says. All else is as with any token: above all
// that it is not revoked.
func (v *Verifier) VerifyLate(text string, grace time.Duration) (oci.Grant, error) {
	if len(text) > maxText {
		return oci.Grant{}, refuse("token is too long", nil)
	}
	id := sha256.Sum256([]byte(text))
	t, hit := v.known.Get(id)
	if !hit {
		var err error
		if t, err = v.read(text); err != nil {
			return oci.Grant{}, refuse("token is not valid", err)
		}
	}
	if err := v.live(t, grace); err != nil {
		return oci.Grant{}, err
	}
	if !hit && len(text) <= maxRemembered {
		v.known.SetUntil(id, t, t.grant.Expires.Add(leeway+grace))
	}
	t.grant.Bearer = oci.NewSecret(text)
	return t.grant, nil
}

// Revoked reports whether what an account is granted now is revoked already,
// for those who show no token.
func (v *Verifier) Revoked(subject string) bool {
	return v.revoked.covers(traits{subject: subject, issued: v.now()})
}

func (t verified) traits() traits {
	return traits{t.grant.Subject, t.grant.ID, t.family, t.issued}
}

// live checks what changes while a token is remembered.
func (v *Verifier) live(t verified, grace time.Duration) error {
	now := v.now()
	switch {
	case now.After(t.grant.Expires.Add(leeway + max(grace, 0))):
		return refuse("token has expired", nil)
	case now.Before(t.notBefore.Add(-leeway)):
		return refuse("token is not valid yet", nil)
	case v.revoked.covers(t.traits()):
		return refuse("token was revoked", nil)
	}
	return nil
}

var (
	errParts     = errors.New("not three parts")
	errSignature = errors.New("signature does not match")
)

// read checks the signature before it reads what is signed: nobody but the
// gates gets to show the claims' parser anything.
func (v *Verifier) read(text string) (verified, error) {
	end := strings.LastIndexByte(text, '.')
	if end < 0 || strings.Count(text, ".") != 2 {
		return verified{}, errParts
	}
	header, payload, _ := strings.Cut(text[:end], ".")
	leaf, err := v.leaf(header)
	if err != nil {
		return verified{}, fmt.Errorf("header: %w", err)
	}
	sig, err := decode(base64.RawURLEncoding, text[end+1:])
	if err != nil || method.Verify(text[:end], sig, leaf.Key) != nil {
		return verified{}, errSignature
	}
	claims, err := decode(base64.RawURLEncoding, payload)
	if err != nil {
		return verified{}, fmt.Errorf("claims: %w", err)
	}
	set, err := parseClaims(claims)
	if err != nil {
		return verified{}, fmt.Errorf("claims: %w", err)
	}
	if err := v.check(set, leaf); err != nil {
		return verified{}, err
	}
	return verified{
		grant: oci.Grant{
			Subject: set.Subject, Scope: set.Access, Expires: time.Unix(set.Expires, 0), ID: set.ID, Labels: set.Labels,
			Namespace: v.namespaces[set.Audience],
		},
		family:    set.Family,
		issued:    time.Unix(set.IssuedAt, 0),
		notBefore: time.Unix(set.NotBefore, 0),
	}, nil
}

// leaf returns the key that a token's header shows, if it is one of ours.
func (v *Verifier) leaf(part string) (keyring.Verifier, error) {
	text, err := decode(base64.RawURLEncoding, part)
	if err != nil {
		return keyring.Verifier{}, err
	}
	der, kid, err := parseHeader(text)
	if err != nil {
		return keyring.Verifier{}, err
	}
	leaf, err := v.keys.Verifier(der)
	if err != nil {
		return keyring.Verifier{}, err
	}
	if kid != leaf.KeyID {
		return keyring.Verifier{}, errors.New("kid is not that of the certificate")
	}
	return leaf, nil
}

// check compares the claims with the configuration and with each other. That a
// token lives longer than any of ours, or than its certificate, makes it a
// forgery with a stolen key, and revocations would not be kept long enough.
func (v *Verifier) check(set claimSet, leaf keyring.Verifier) error {
	life := set.Expires - set.IssuedAt
	_, ours := v.namespaces[set.Audience]
	switch {
	case set.Issuer != v.cfg.Issuer:
		return fmt.Errorf("issuer is %q", set.Issuer)
	case !ours:
		return fmt.Errorf("audience is %q", set.Audience)
	case life <= 0 || life > int64(keyring.MaxTokenLife/time.Second):
		return fmt.Errorf("life is %d seconds", life)
	case set.Expires > leaf.NotAfter.Unix():
		return errors.New("token outlives its certificate")
	}
	return nil
}

func refuse(msg string, cause error) error {
	return &oci.Refusal{Reason: oci.InvalidToken, Msg: msg, Err: cause}
}
