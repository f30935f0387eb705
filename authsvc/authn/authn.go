// Package authn turns credentials into an identity: it has the words that all
// authenticators share, and the Chain that asks one after the other. It does
// not know any kind of account itself (those are the packages below it), nor
// what an identity may do (package acl), nor HTTP.
//
// Authenticators live as long as a generation of the configuration,
// credentials and identities as long as a request.
package authn

import (
	"context"
	"crypto/x509"
	"errors"
	"net/netip"
	"time"
)

// Anonymous is the account of somebody who showed no credentials.
const Anonymous = ""

var (
	// ErrUnknownUser says that an authenticator has never heard of the account.
	ErrUnknownUser = errors.New("unknown user")
	// ErrWrongPassword says that the account is known and the password is not its own.
	ErrWrongPassword = errors.New("wrong password")
	// ErrUndecided says that the account is known, and whether what was shown is
	// its own could not be told. What went wrong is wrapped beside it.
	ErrUndecided = errors.New("credentials of a known user were not checked")
	// ErrBusy says that too many logins wait already; the client may try again in a second.
	ErrBusy = errors.New("too many logins at once")
)

// Credentials are what somebody shows to prove who they are: an account with
// its password, or a certificate. The zero Credentials are those of the
// anonymous.
type Credentials struct {
	Account  string
	Password Secret
	From     netip.Addr // the client, as far as trusted proxies let us know it

	// Chains lead from the client's certificate, the first of each, to a CA
	// that the handshake trusted, the last. There are some only if nothing else
	// was shown: a certificate belongs to a machine, a password to whoever uses
	// it, and never stands in for a wrong one.
	Chains [][]*x509.Certificate
}

// Anonymous reports whether no credentials were shown at all.
func (c Credentials) Anonymous() bool { return c.Account == "" && c.Password == "" && !c.Certified() }

// Certified reports whether a certificate is all that was shown.
func (c Credentials) Certified() bool { return len(c.Chains) > 0 }

// An Identity is an account that an authenticator has vouched for.
type Identity struct {
	Account string
	Labels  Labels
	Via     Via
}

// Via is by what an account was known. The zero Via is a password.
type Via struct {
	Means Means
	// Method is the authenticator of the chain that vouched, by its key in the
	// configuration; "" if nobody says so. Whoever has the same account in another
	// one is somebody else.
	Method string
	// Family is the id of the secret of ours that was shown, if it was one. The
	// tokens that follow from it carry it, so that they end with it.
	Family string
	// Made is when that secret was made.
	Made time.Time
	// Name is what the secret is called, if it has a name.
	Name string
	// Within bounds what the secret is good for: only what one of them has, of
	// all that the account may. None bounds nothing.
	Within []Bound
}

// Means are the kinds of what can be shown.
type Means string

const (
	ByPassword    Means = ""
	ByCertificate Means = "certificate"
	ByPersonal    Means = "personal" // token
	ByRobot       Means = "robot"
	ByRefresh     Means = "refresh"  // token
	ByWorkload    Means = "workload" // a JWT of its issuer
)

// A Bound is what some secret may be used for, and nothing else.
type Bound struct {
	Repository string   `json:"r"` // a glob, as rules have them, in which a component can be **
	Actions    []string `json:"a"` // of pull, push and delete
}

// Labels are what an authenticator knows about an account, such as its groups.
type Labels map[string][]Label

// A Label is one value of a label.
type Label struct {
	Value string `json:"v"`
	// Pattern says that the operator wrote the value, so that a "*" in it is
	// a wildcard where a rule's glob mentions the label. Values from a
	// directory are taken literally.
	Pattern bool `json:"p,omitempty"`
}

// An Authenticator vouches for users.
//
// Authenticate returns ErrUnknownUser for a user it has never heard of, so
// that another may be asked, and ErrWrongPassword for one it knows, which
// settles the matter. Any other error means that it could not tell, and must
// never be taken for a refusal; it is ErrUndecided as well if the account is
// known. What that means to a Chain is said there. Calls may overlap.
type Authenticator interface {
	Authenticate(context.Context, Credentials) (Identity, error)
}

// Func makes a function an Authenticator.
type Func func(context.Context, Credentials) (Identity, error)

// Authenticate calls f.
func (f Func) Authenticate(ctx context.Context, c Credentials) (Identity, error) { return f(ctx, c) }
