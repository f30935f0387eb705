package ext

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/authn"
)

// Users is the authenticator behind ext_auth.
type Users struct{ backend *backend }

// NewUsers returns the authenticator that cfg, which is valid, describes. Its
// error says by a problem.List that the program is not there, or a file of the
// hook cannot be used.
func NewUsers(cfg UsersConfig, log *zap.Logger) (*Users, error) {
	b, err := newBackend(cfg.Backend, named(log, "ext_auth"))
	if err != nil {
		return nil, err
	}
	return &Users{b}, nil
}

func named(log *zap.Logger, name string) *zap.Logger {
	if log == nil {
		return zap.NewNop()
	}
	return log.Named(name)
}

// Close ends idle connections. Who is being asked may answer.
func (u *Users) Close() error {
	u.backend.close()
	return nil
}

// A login is the question that a hook gets.
type login struct {
	Account  string     `json:"account"`
	Password string     `json:"password"`
	IP       netip.Addr `json:"ip"` // of the client; "" if it is not known
}

// Authenticate is authn.Authenticator's.
//
// The anonymous, and whoever shows no password, is unknown without a question:
// those belong to the accounts of the configuration, and would have a program
// started by every request of everybody.
func (u *Users) Authenticate(ctx context.Context, c authn.Credentials) (authn.Identity, error) {
	if c.Account == authn.Anonymous || c.Password == "" || !u.sayable(c) {
		return authn.Identity{}, authn.ErrUnknownUser
	}
	a, err := u.backend.ask(ctx, question{
		stdin:  []byte(c.Account + " " + c.Password.Reveal()),
		post:   login{c.Account, c.Password.Reveal(), c.From.Unmap().WithZone("")},
		about:  c.Account,
		secret: c.Password,
	})
	switch {
	case err != nil:
		return authn.Identity{}, err
	case a.verdict == unknown:
		return authn.Identity{}, authn.ErrUnknownUser
	case a.verdict == deny:
		return authn.Identity{}, authn.ErrWrongPassword
	}
	labels, err := readLabels(a.details)
	if err != nil {
		return authn.Identity{}, err
	}
	return authn.Identity{Account: c.Account, Labels: labels}, nil
}

// sayable reports whether the back end can be told these credentials. Where a
// program is asked, account and password are parted by the first space, and
// scripts read one line of them: "alice x" with the password "y" would be alice
// with "x y". It cannot know such accounts, but another back end may. JSON has
// nothing but UTF-8, and would make equal what differs.
func (u *Users) sayable(c authn.Credentials) bool {
	if _, isHook := u.backend.asker.(*hook); isHook {
		return utf8.ValidString(c.Account) && utf8.ValidString(c.Password.Reveal())
	}
	return !strings.ContainsFunc(c.Account, unicode.IsSpace) && !strings.ContainsAny(c.Password.Reveal(), "\n\r\x00")
}

// readLabels reads {"labels": {"team": ["web"]}}. They are the operator's own
// words, as those of the accounts in the configuration are, so a "*" in them
// is a wildcard.
func readLabels(details []byte) (authn.Labels, error) {
	if details == nil {
		return nil, nil
	}
	var said map[string][]string
	if err := decode(details, "labels", &said); err != nil {
		return nil, err
	}
	labels := make(authn.Labels, len(said))
	for name, values := range said {
		if name == "" {
			return nil, errors.New("the answer has a label without a name")
		}
		for _, v := range values {
			labels[name] = append(labels[name], authn.Label{Value: v, Pattern: true})
		}
	}
	return labels, nil
}
