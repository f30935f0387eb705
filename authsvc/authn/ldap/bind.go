package ldap

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/go-ldap/ldap/v3"

	"github.com/regate/regate/authsvc/authn"
)

var errNobody = errors.New("the directory would take a bind without a name or a password for one of nobody")

// bind proves to be name with a password. What the server says beside yes or
// no is in the controls.
func (c *conn) bind(ctx context.Context, name string, password authn.Secret) (said []ldap.Control, err error) {
	if name == "" || password == "" {
		return nil, errNobody
	}
	err = c.ask(ctx, func(l *ldap.Conn) error {
		policy := []ldap.Control{ldap.NewControlBeheraPasswordPolicy()}
		res, err := l.SimpleBind(ldap.NewSimpleBindRequest(name, password.Reveal(), policy))
		if res != nil {
			said = res.Controls
		}
		return err
	})
	return said, err
}

// login binds as a user. authn.ErrWrongPassword says that the directory refuses
// the password, or does not let the account in with any.
func (c *conn) login(ctx context.Context, name string, password authn.Secret) error {
	said, err := c.bind(ctx, name, password)
	if err == nil {
		err = mustChange(said)
	}
	return refusal(err, said)
}

// mustChange refuses a password that is right, but good for nothing except
// changing it. A bind with it succeeds, at directories with a password policy.
func mustChange(said []ldap.Control) error {
	policy, _ := ldap.FindControl(said, ldap.ControlTypeBeheraPasswordPolicy).(*ldap.ControlBeheraPasswordPolicy)
	old := ldap.FindControl(said, ldap.ControlTypeVChuPasswordMustChange)
	if old != nil || policy != nil && policy.Error == changeAfterReset {
		return fmt.Errorf("%w: it must be changed first", authn.ErrWrongPassword)
	}
	return nil
}

// changeAfterReset of draft-behera-ldap-password-policy-10, 6.2.
const changeAfterReset = 2

// refusal makes authn.ErrWrongPassword of what a directory says when it refuses
// somebody, for whatever reason; why is for the log. All other errors, such as
// busy, or a missing StartTLS, are no refusals, and stay what they are.
func refusal(err error, said []ldap.Control) error {
	switch {
	case ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject): // of the name that is bound with, at some servers
		return fmt.Errorf("%w: %v", authn.ErrUnknownUser, err)
	case !ldap.IsErrorAnyOf(err,
		ldap.LDAPResultInvalidCredentials,
		ldap.LDAPResultInappropriateAuthentication, // the entry has no password
		ldap.LDAPResultInsufficientAccessRights,
		ldap.LDAPResultUnwillingToPerform, // locked, disabled
		ldap.LDAPResultConstraintViolation,
	):
		return err
	case activeDirectory(err) == noSuchUser:
		return fmt.Errorf("%w: %v", authn.ErrUnknownUser, err)
	}
	why := states[activeDirectory(err)]
	if policy, ok := ldap.FindControl(said, ldap.ControlTypeBeheraPasswordPolicy).(*ldap.ControlBeheraPasswordPolicy); ok && policy.Error >= 0 && why == "" {
		why = policy.ErrorString
	}
	if why != "" {
		return fmt.Errorf("%w: %s: %v", authn.ErrWrongPassword, why, err)
	}
	return fmt.Errorf("%w: %v", authn.ErrWrongPassword, err)
}

const noSuchUser = "525"

// states are what Active Directory writes into the text of a refusal, as
// "data 533": Windows' codes of errors, in hexadecimal.
var states = map[string]string{
	"52f": "the account is restricted",
	"530": "the account may not log in at this time",
	"531": "the account may not log in from here",
	"532": "the password has expired",
	"533": "the account is disabled",
	"568": "the account is in too many groups",
	"701": "the account has expired",
	"773": "the password must be changed first",
	"775": "the account is locked",
}

var dataCode = regexp.MustCompile(`\bdata ([0-9a-fA-F]+)\b`)

// activeDirectory is the code in the text of an error; "" if there is none.
func activeDirectory(err error) string {
	if m := dataCode.FindStringSubmatch(err.Error()); m != nil {
		return m[1]
	}
	return ""
}
