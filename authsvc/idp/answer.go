package idp

import (
	"errors"
	"fmt"

	"github.com/regate/regate/authsvc/authn"
)

// answer is what Renew says: a person, a clear no, or that it could not tell;
// the latter with the refresh token that is good from now on, as the one before
// may be no good any more.
func answer(who Person, refresh authn.Secret, err error) (Person, error) {
	var no *Refusal
	switch {
	case err == nil:
		who.Refresh = refresh
		return who, nil
	case errors.As(err, &no):
		return Person{}, err
	}
	return Person{Refresh: refresh}, err
}

// still is a clear no unless p is the person of this account.
func still(account string, p Person, title string) error {
	if p.Account != account {
		return &Refusal{Msg: fmt.Sprintf("your name at %s is not %s any more; please log in again", title, account)}
	}
	return nil
}
