package authsvc

import (
	"errors"
	"math"
	"strconv"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/guard"
	"github.com/regate/regate/authsvc/idp"
	"github.com/regate/regate/internal/oci"
)

// badLogin is all that somebody is told whom we turn away, whatever the
// reason, so that nobody learns which accounts there are.
const (
	badLogin       = "wrong user name or password"
	badCertificate = "no account here goes with this client certificate"
)

func unauthenticated(msg string) *oci.Error { return oci.Errorf(oci.Unauthenticated, "%s", msg) }

// refusal keeps two things apart that look alike from afar: a user we turn
// away, and a directory we could not ask. A 401 for the second would send
// people off to change a password that was right.
func refusal(c authn.Credentials, err error) error {
	var limited *guard.Limited
	var token *idp.Refusal
	switch {
	case c.Anonymous() && errors.Is(err, authn.ErrUnknownUser):
		return unauthenticated("log in first")
	case c.Certified() && errors.Is(err, authn.ErrUnknownUser):
		return unauthenticated(badCertificate).Because(err)
	case TurnedAway(err) && isJWT(c) && errors.As(err, &token): // whose holder the issuer vouches for
		return unauthenticated(token.Msg).Because(err)
	case TurnedAway(err):
		return unauthenticated(badLogin).Because(err)
	case errors.Is(err, authn.ErrBusy):
		return tooMany(err)
	case errors.As(err, &limited):
		return oci.Errorf(oci.TooMany, "too many wrong passwords, try again later").
			Because(err).With("Retry-After", strconv.Itoa(int(math.Ceil(limited.Wait.Seconds()))))
	}
	return oci.Errorf(oci.Unavailable, "cannot check credentials now").With("Retry-After", "5").Because(err)
}

func tooMany(err error) *oci.Error {
	return oci.Errorf(oci.TooMany, "too many logins at once, try again").With("Retry-After", "1").Because(err)
}

// isJWT reports whether a JWT is shown as the password.
func isJWT(c authn.Credentials) bool { return !c.Certified() && idp.IsJWT(c.Password.Reveal()) }
