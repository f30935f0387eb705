package token

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/regate/regate/internal/keyring"
	"github.com/regate/regate/internal/oci"
)

// backdate is how long before it was issued a token begins to be valid, for
// registries whose clock is behind.
const backdate = 10 * time.Second

var (
	// ErrTooLong says that a token would not fit in a header: too much was
	// asked for at once.
	ErrTooLong = errors.New("token is too long")
	// ErrNoKey says that no key signs now, since the state could not be asked
	// for so long that the last one has run out.
	ErrNoKey = errors.New("no key to sign tokens with")
)

// Claims are what a token says.
type Claims struct {
	Issuer   string        // "" is the configured one
	Audience string        // "" is the configured service
	Subject  string        // "" is the anonymous
	Scope    oci.Scope     // may be empty
	Life     time.Duration // 0 is the configured one; at most keyring.MaxTokenLife

	// Labels are what Labels.Pack has made of the subject's; nil for none.
	Labels json.RawMessage
	// Family is the id of the secret that the token follows from, and ends with;
	// "" if it follows from none.
	Family string
}

// Signed is a token and what its receiver is told beside it.
type Signed struct {
	Text     string // the token itself; a secret
	ID       string // its jti, to find it in the log
	Expires  time.Time
	Lifetime time.Duration
}

// An Issuer signs tokens: those of clients with the configured issuer and
// service, those for registries with the ones that the claims name. Its
// methods may be called at the same time by many goroutines.
type Issuer struct {
	cfg  Config
	keys *keyring.Ring
	now  func() time.Time
}

// NewIssuer returns an Issuer that signs with the leaf that p.Keys has for it
// at the time.
func NewIssuer(cfg Config, p Parts) *Issuer {
	p = p.withDefaults()
	return &Issuer{cfg.WithDefaults(), p.Keys, p.Now}
}

// Name is the issuer that clients' tokens name.
func (i *Issuer) Name() string { return i.cfg.Issuer }

// Lifetime is that of clients' tokens.
func (i *Issuer) Lifetime() time.Duration { return i.cfg.life() }

// Service is the audience of clients' tokens.
func (i *Issuer) Service() string { return i.cfg.Service }

// JWKS is the set of the keys that tokens may be signed with, for those who
// verify them by kid (RFC 7517 5). The caller must not change it.
func (i *Issuer) JWKS() []byte { return i.keys.JWKS() }

// Issue signs a token. Its errors are ErrTooLong and ErrNoKey, besides those
// of a machine without randomness.
func (i *Issuer) Issue(c Claims) (Signed, error) {
	signer := i.keys.Signer()
	now := i.now()
	life, err := i.lifeWith(signer, c.Life)
	if err != nil {
		return Signed{}, err
	}
	set := i.claims(c, now)
	set.Expires = now.Add(life).Unix()
	text, err := sign(signer, set)
	if err != nil {
		return Signed{}, err
	}
	return Signed{Text: text, ID: set.ID, Expires: time.Unix(set.Expires, 0), Lifetime: life}, nil
}

func (i *Issuer) claims(c Claims, now time.Time) claimSet {
	set := claimSet{
		Issuer:    c.Issuer,
		Subject:   c.Subject,
		Audience:  c.Audience,
		NotBefore: now.Add(-backdate).Unix(),
		IssuedAt:  now.Unix(),
		ID:        rand.Text(),
		Access:    oci.NewScope(c.Scope...), // never null, which not all verifiers read as empty
		Labels:    c.Labels,
		Family:    c.Family,
	}
	if set.Issuer == "" {
		set.Issuer = i.cfg.Issuer
	}
	if set.Audience == "" {
		set.Audience = i.cfg.Service
	}
	return set
}

// lifeWith cuts a token's life where registries stop to take the certificate
// of its signer. That is far away unless a renewal has failed for a day.
func (i *Issuer) lifeWith(s *keyring.Signer, want time.Duration) (time.Duration, error) {
	if want <= 0 {
		want = i.cfg.life()
	}
	life := min(want, keyring.MaxTokenLife, s.NotAfter.Sub(i.now())-2*leeway)
	if life < min(want, minExpiration*time.Second) {
		return 0, ErrNoKey
	}
	return life.Truncate(time.Second), nil
}

// sign writes a token in the compact form (RFC 7515 7.1).
func sign(s *keyring.Signer, set claimSet) (string, error) {
	header, err := json.Marshal(joseHeader{"JWT", method.Alg(), s.KeyID, s.Chain})
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(set)
	if err != nil {
		return "", err
	}
	enc := base64.RawURLEncoding
	text := make([]byte, 0, enc.EncodedLen(len(header)+len(payload))+100)
	text = enc.AppendEncode(text, header)
	text = append(text, '.')
	text = enc.AppendEncode(text, payload)
	sig, err := method.Sign(string(text), s.Key)
	if err != nil {
		return "", err
	}
	text = append(text, '.')
	text = enc.AppendEncode(text, sig)
	if len(text) > maxText {
		return "", ErrTooLong
	}
	return string(text), nil
}
