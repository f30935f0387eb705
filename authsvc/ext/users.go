package ext

import (
	"context"
	"errors"
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

// A login is the question that a hook gets. It does not say from where: one
// answer is for all who show the same password within a minute, wherever they
// are. Where somebody may do something from is for rules to say.
type login struct {
	Account  string `json:"account"`
	Password string `json:"password"`
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
		post:   login{c.Account, c.Password.Reveal()},
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
	id, err := readIdentity(a.details, c.Account)
	if err != nil {
		return authn.Identity{}, u.backend.nonsense(err)
	}
	return id, nil
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

// readIdentity reads {"account": "alice", "labels": {"team": ["web"]}}. The
// account is for a back end that takes ALICE, or an address, for alice; without
// it, it is the one that was asked about. The labels are the operator's own
// words, as those of the accounts in the configuration are, so a "*" in them is
// a wildcard.
func readIdentity(details []byte, asked string) (authn.Identity, error) {
	if details == nil {
		return authn.Identity{Account: asked}, nil
	}
	account, said := &asked, map[string][]string{}
	if err := decode(details, map[string]any{"account": &account, "labels": &said}); err != nil {
		return authn.Identity{}, err
	}
	if account == nil || *account == authn.Anonymous {
		return authn.Identity{}, errors.New("the answer has an account without a name")
	}
	labels, err := labelsOf(said)
	if err != nil {
		return authn.Identity{}, err
	}
	return authn.Identity{Account: *account, Labels: labels}, nil
}

func labelsOf(said map[string][]string) (authn.Labels, error) {
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
