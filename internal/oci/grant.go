package oci

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"time"
)

// Shown is what a request shows of who sends it.
type Shown struct {
	Authorization Secret // the header; empty if there is none
	From          netip.Addr
	Origin        string // of the gate as the client names it, https://HOST; "" if that is not known

	// Grace is how long after it has expired a token may still be shown for this
	// request, so that a push can end that a token has begun. Zero for almost all.
	Grace time.Duration

	// Namespace is the registry in whose place the gate is asked, by its name or
	// by the host. "" is the gate itself, which takes no token for one of those.
	Namespace string
	// Guests says that the host is for those as well who are not known here, who
	// are then nobody in particular.
	Guests bool

	// Chains lead from the client's certificate to a CA that the handshake
	// trusted; none if it showed no certificate.
	Chains [][]*x509.Certificate
}

// A Grant is all that passes from logging in to pulling: who, what, until when.
type Grant struct {
	Subject string // the account; "" is the anonymous
	Scope   Scope
	Expires time.Time // zero for a grant of the one request that showed no token
	ID      string    // of the token, to find it in the log
	Bearer  Secret    // the token itself, if one was shown
	Labels  []byte    // of the subject, for whoever made the grant; nobody else reads them

	// Namespace is the only registry in whose place the gate may be asked with
	// it. "" is the gate's own, which is good for all that it names.
	Namespace string

	// Unchecked is the Authorization header of a request that nobody has
	// checked, because only the registry can. Such a grant has nothing else.
	Unchecked Secret
}

// Covers reports whether the grant is enough for needs.
func (g Grant) Covers(needs []Access) bool { return g.Scope.Contains(needs...) }

// Expired reports whether the grant has ended by now, and is good only for what
// was begun before.
func (g Grant) Expired(now time.Time) bool { return !g.Expires.IsZero() && now.After(g.Expires) }

// Anonymous reports whether whoever has the grant has shown no credentials,
// neither to get it nor for a registry to check.
func (g Grant) Anonymous() bool { return g.Subject == "" && g.Unchecked.Reveal() == "" }

// Format prints a grant as a sentence, whatever the verb.
func (g Grant) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "%s may %s until %s", g.Subject, g.Scope, g.Expires.Format(time.RFC3339))
}
