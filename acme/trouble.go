package acme

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// A Reason is what kind of thing keeps a host from a certificate. It is the
// value of a label, so there are few.
type Reason string

// The reasons. The zero Reason is that nothing has failed.
const (
	ReasonDNS         Reason = "dns"          // the CA does not find the host, or a record, in the DNS
	ReasonUnreachable Reason = "unreachable"  // the CA finds it and cannot connect
	ReasonRefused     Reason = "refused"      // the CA got the wrong answer, or does not want to sign for the host
	ReasonRateLimited Reason = "rate_limited" // the CA was asked too often
	ReasonCAA         Reason = "caa"          // the domain lets other CAs sign for it alone
	ReasonEAB         Reason = "eab"          // the account at the CA's website is missing or wrong
	ReasonCADown      Reason = "ca_down"      // the CA cannot be reached, or is out of order
	ReasonState       Reason = "state"        // our own state cannot be read or written
	ReasonOther       Reason = "other"
)

// Reasons are all of them but the zero Reason, in the order above.
func Reasons() []Reason {
	return []Reason{ReasonDNS, ReasonUnreachable, ReasonRefused, ReasonRateLimited, ReasonCAA, ReasonEAB, ReasonCADown, ReasonState, ReasonOther}
}

// Sentence says the reason to people, "" for the zero Reason.
func (r Reason) Sentence() string { return sentences[r] }

var sentences = map[Reason]string{
	ReasonDNS:         "The certificate authority does not find what it looks for in the DNS.",
	ReasonUnreachable: "The certificate authority cannot connect to this host.",
	ReasonRefused:     "The certificate authority does not accept this host, or what answered it there.",
	ReasonRateLimited: "The certificate authority has been asked too often.",
	ReasonCAA:         "The domain allows other certificate authorities only.",
	ReasonEAB:         "The gate's account at the certificate authority's website is missing or wrong.",
	ReasonCADown:      "The certificate authority cannot be reached, or is out of order.",
	ReasonState:       "The gate cannot use the place where it keeps certificates.",
	ReasonOther:       "Getting a certificate has failed.",
}

// A Trouble is why a host has no certificate, or no newer one. The zero Trouble
// is that nothing has failed.
type Trouble struct {
	Reason Reason
	Detail string // what the CA said, in its own words, or the error: for the operator alone
	Advice string // what to do, in one sentence, which anybody may read
}

// Failed reports whether there is any trouble.
func (t Trouble) Failed() bool { return t.Reason != "" }

// An issuerError says which CA an error is of.
type issuerError struct {
	issuer   string // as in tls.acme.ca
	err      error
	delegate string // as in tls.acme.dns; "" for none
}

func (e issuerError) Error() string { return e.issuer + ": " + e.err.Error() }
func (e issuerError) Unwrap() error { return e.err }

// diagnose says what err, with which the attempt to get a certificate for host
// ended, comes from. Where several CAs failed, which is a join of issuerErrors,
// it speaks of the first of them, and in Detail of all: the ones after it are
// asked only because of that one, and would mostly say the same.
func diagnose(host string, err error) Trouble {
	failed := failures(err)
	if len(failed) == 0 {
		return Trouble{}
	}
	t := blame{host: host, issuer: failed[0].issuer, delegate: failed[0].delegate}.of(failed[0].err)
	for _, f := range failed[1:] {
		other := blame{host: host, issuer: f.issuer, delegate: f.delegate}.of(f.err)
		t.Detail += fmt.Sprintf("; then %s (%s): %s", f.issuer, other.Reason, other.Detail)
	}
	if len(failed) > 1 {
		t.Detail = failed[0].issuer + ": " + t.Detail
	}
	t.Detail = clean(t.Detail)
	return t
}

// failures are the errors of each CA in err, or err itself if it is of none,
// but for those of attempts that were called off.
func failures(err error) []issuerError {
	all := issuerErrors(err)
	if len(all) == 0 && err != nil {
		all = []issuerError{{err: err}}
	}
	return slices.DeleteFunc(all, func(e issuerError) bool { return errors.Is(e.err, context.Canceled) })
}

func issuerErrors(err error) (all []issuerError) {
	switch e := err.(type) {
	case issuerError:
		return []issuerError{e}
	case interface{ Unwrap() error }:
		return issuerErrors(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, part := range e.Unwrap() {
			all = append(all, issuerErrors(part)...)
		}
	}
	return all
}

// stateTrouble is that our own state failed with err.
func stateTrouble(err error) Trouble {
	if err == nil {
		return Trouble{}
	}
	return Trouble{ReasonState, clean("state cannot be asked: " + err.Error()), adviceState}
}

const maxDetail = 500 // runes

var (
	urls  = regexp.MustCompile(`https?://[^\s"'<>]+`)
	token = regexp.MustCompile(`(/\.well-known/acme-challenge/)[A-Za-z0-9_-]+`)
)

// clean makes one line of bounded length of what others wrote, without what may
// be secret in a URL.
func clean(text string) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), notShown), " ")
	text = token.ReplaceAllString(text, "$1…")
	text = urls.ReplaceAllStringFunc(text, withoutSecrets)
	if runes := []rune(text); len(runes) > maxDetail {
		text = string(runes[:maxDetail]) + "…"
	}
	return text
}

func notShown(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }

// withoutSecrets leaves out user, password, query and fragment of a URL.
func withoutSecrets(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "(a URL)"
	}
	if u.User == nil && u.RawQuery == "" && u.Fragment == "" {
		return text
	}
	u.User, u.RawQuery, u.Fragment, u.RawFragment = nil, "", "", ""
	return u.String()
}
