package upstream

import (
	"bytes"
	"fmt"
	"os"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/problem"
)

// The trust modes of a registry.
const (
	ModeNone    = "none"    // it trusts its network
	ModeBasic   = "basic"   // it knows one user, the gate
	ModeToken   = "token"   // it wants a token that the gate makes for each request
	ModeForward = "forward" // it wants the client's own token
)

// Trust is how a registry knows that a request comes from the gate. In a
// file, the mode alone can stand for all of it: "auth: none".
type Trust struct {
	// Mode is none (the registry trusts its network; the default), basic (the
	// gate shows a user of its own), token (the gate mints a token for each
	// request) or forward (the client's token passes, so the registry must
	// trust the token root).
	Mode string `yaml:"mode"`

	// Username is the gate's name at the registry. For basic only, required.
	Username string `yaml:"username"`
	// Password goes with it, or PasswordFile, a file that holds it alone.
	Password     authn.Secret `yaml:"password"`
	PasswordFile string       `yaml:"password_file"`

	// Issuer and Service are those in the registry's own auth.token section.
	// For token only, required; they must differ from those of the tokens
	// that clients hold, so that one of these is of no use at the registry.
	Issuer  string `yaml:"issuer"`
	Service string `yaml:"service"`

	// Check says whether the gate checks the client's rights. For forward
	// only, default true. With false it is a mere way to the registry, which
	// must check itself: if it does not, nothing is let through to it.
	Check *bool `yaml:"check"`
}

// UnmarshalText reads the short form, which is the mode alone.
func (t *Trust) UnmarshalText(text []byte) error {
	*t = Trust{Mode: string(text)}
	return nil
}

func (t Trust) withDefaults() Trust {
	if t.Mode == "" {
		t.Mode = ModeNone
	}
	return t
}

// serviceFor is the service of the tokens that the registry is shown.
func (t Trust) serviceFor(o Options) string {
	switch {
	case t.Mode == ModeToken:
		return t.Service
	case t.Mode == ModeForward && t.checked():
		return o.Service
	}
	return ""
}

func (t Trust) checked() bool { return t.Mode != ModeForward || t.Check == nil || *t.Check }

// Validate returns all mistakes as a problem.List. It opens nothing.
func (t Trust) Validate() error {
	var l problem.List
	t = t.withDefaults()
	switch t.Mode {
	case ModeNone, ModeForward:
	case ModeBasic:
		t.validateBasic(&l)
	case ModeToken:
		if t.Issuer == "" {
			l.Addf("issuer", "is missing; it is auth.token.issuer of the registry's configuration")
		}
		if t.Service == "" {
			l.Addf("service", "is missing; it is auth.token.service of the registry's configuration")
		}
	default:
		l.Addf("mode", "%q is none of none, basic, token, forward", t.Mode)
		return l.Err()
	}
	for _, k := range t.foreign() {
		l.Addf(k, "has no meaning in mode %s", t.Mode)
	}
	return l.Err()
}

func (t Trust) validateBasic(l *problem.List) {
	if t.Username == "" {
		l.Addf("username", "is missing; it is the gate's name at the registry")
	}
	switch {
	case t.Password == "" && t.PasswordFile == "":
		l.Addf("password_file", "is missing, and so is password")
	case t.Password != "" && t.PasswordFile != "":
		l.Addf("password_file", "is given beside password; one of them is enough")
	}
}

// foreign lists the keys that are set and belong to another mode.
func (t Trust) foreign() (keys []string) {
	for _, k := range [...]struct {
		mode, key string
		set       bool
	}{
		{ModeBasic, "username", t.Username != ""},
		{ModeBasic, "password", t.Password != ""},
		{ModeBasic, "password_file", t.PasswordFile != ""},
		{ModeToken, "issuer", t.Issuer != ""},
		{ModeToken, "service", t.Service != ""},
		{ModeForward, "check", t.Check != nil},
	} {
		if k.set && k.mode != t.Mode {
			keys = append(keys, k.key)
		}
	}
	return keys
}

// password returns the gate's password at the registry, without the line
// break that editors leave at the end of a file.
func (t Trust) password() (authn.Secret, error) {
	if t.PasswordFile == "" {
		return t.Password, nil
	}
	text, err := os.ReadFile(t.PasswordFile)
	if err != nil {
		return "", problem.At("password_file", err)
	}
	text = bytes.TrimRight(text, "\r\n")
	if len(text) == 0 {
		return "", problem.At("password_file", fmt.Errorf("%s is empty", t.PasswordFile))
	}
	return authn.Secret(text), nil
}
