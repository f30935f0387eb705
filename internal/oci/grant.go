package oci

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"time"
)

// Shown is what a request shows of who sends it.
type Shown struct {
	Authorization string            // the header; "" if there is none
	Certificate   *x509.Certificate // of the client, verified; nil if there is none
	From          netip.Addr
}

// A Grant is all that passes from logging in to pulling: who, what, until when.
type Grant struct {
	Subject string // the account; "" is the anonymous
	Scope   Scope
	Expires time.Time
	ID      string // of the token, to find it in the log
	Bearer  string // the token itself, if one was shown; a secret
}

// Covers reports whether the grant is enough for needs.
func (g Grant) Covers(needs []Access) bool { return g.Scope.Contains(needs...) }

// Format prints a grant in every verb without the token.
func (g Grant) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "%s may %s until %s", g.Subject, g.Scope, g.Expires.Format(time.RFC3339))
}
