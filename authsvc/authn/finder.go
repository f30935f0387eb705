package authn

import "context"

// A Finder looks up an account that has proved before who it is, for the
// tokens that outlive its login. An Authenticator that can do so implements it
// as well.
//
// Find returns ErrUnknownUser if there is no such account, or one that nobody
// could log in as. Any other error means that it could not tell: it says
// nothing about the account. Calls may overlap.
type Finder interface {
	Find(ctx context.Context, account string) (Identity, error)
}
