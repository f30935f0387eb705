package idp

import (
	"crypto/x509"
	"errors"
	"net/http"
	"slices"
)

// A Misfit is why the provider and the gate do not understand each other. It
// helps nobody to try again: whoever runs the gate has to mend something.
type Misfit struct {
	Mend string // what to do, for the log: "client_id or client_secret is wrong"
	Err  error
}

func (m *Misfit) Error() string { return m.Err.Error() + ": " + m.Mend }

// Unwrap returns what was seen.
func (m *Misfit) Unwrap() error { return m.Err }

// wrongClient are the errors that say of the gate that it is not who it says:
// the standard's (RFC 6749 5.2), and GitHub's own.
var wrongClient = []string{"invalid_client", "unauthorized_client", "incorrect_client_credentials"}

// misfit makes a Misfit of an error with that code of a token endpoint, if it
// will be the same at each login.
func misfit(code string, err error) error {
	switch {
	case slices.Contains(wrongClient, code):
		return &Misfit{"client_id or client_secret is wrong", err}
	case code == "redirect_uri_mismatch":
		return &Misfit{"register the address of the call-back there as it is here", err}
	}
	return err
}

// untrusted makes a Misfit of a certificate by nobody we know.
func untrusted(err error) error {
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return &Misfit{"name the CA of its certificate with ca_certificate, or ca in jwt_auth", err}
	}
	return err
}

// misplaced makes a Misfit of an issuer where there is none.
func misplaced(err error) error {
	var e *statusError
	if errors.As(err, &e) && e.status == http.StatusNotFound {
		return &Misfit{"issuer is not the provider's, or has a path too many or too few", err}
	}
	return err
}

// about notes whom a Refusal is about.
func about(account string, err error) error {
	var no *Refusal
	if errors.As(err, &no) && no.Who == "" {
		return &Refusal{Msg: no.Msg, Who: account}
	}
	return err
}
