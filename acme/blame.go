package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"regexp"
	"strings"
	"time"

	rfc8555 "github.com/mholt/acmez/v3/acme"

	"github.com/regate/regate/acme/client"
)

// A blame finds out what one error of one CA comes from.
type blame struct {
	host     string
	issuer   string
	delegate string    // as in tls.acme.dns
	after    time.Time // when the CA may be asked again; zero if it did not say
}

// of tells errors that the CA sent, which have a type, from those that came up
// on the way to it, which mostly have not: certmagic and acmez put them into
// words.
func (b blame) of(err error) Trouble {
	if l, ok := errors.AsType[client.Limited](err); ok {
		b.after = l.After
	}
	if p, ok := errors.AsType[rfc8555.Problem](err); ok {
		t := b.ofProblem(p)
		t.Detail = clean(words(p))
		return t
	}
	if p, ok := errors.AsType[*rfc8555.Problem](err); ok && p != nil { // of an order
		return b.of(*p)
	}
	t := b.ofFailure(err)
	t.Detail = clean(err.Error())
	return t
}

// words are all that a problem says, in the CA's own words.
func words(p rfc8555.Problem) string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	for _, sub := range p.Subproblems {
		if sub.Detail != "" && !strings.Contains(text, sub.Detail) {
			text += "; " + sub.Identifier.Value + ": " + sub.Detail
		}
	}
	if text == "" {
		text = strings.TrimPrefix(p.Type, rfc8555.ProblemTypeNamespace)
	}
	return text
}

// What CAs say in the detail of a problem whose type says too little. Their
// types differ: Let's Encrypt has connection and dns for what others call
// unauthorized or malformed.
var (
	saysEAB       = regexp.MustCompile(`(?i)external ?account|\bEAB\b|'kid'`)
	saysNoAddress = regexp.MustCompile(`\b(NXDOMAIN|SERVFAIL)\b|(?i:no such host|could not resolve|while resolving)`)
	saysNoConnect = regexp.MustCompile(`(?i)^failed to connect|^could not connect|connection refused|i/o timeout`)
	saysKey       = regexp.MustCompile(`(?i)bad (authentication|key|key algorithm|signature|time)$|\b(BADKEY|BADSIG|BADTIME)\b`) // a DNS server
	saysCAA       = regexp.MustCompile(`\bCAA\b`)
)

const invalidProfile = rfc8555.ProblemTypeNamespace + "invalidProfile" // draft-ietf-acme-profiles 5

func (b blame) ofProblem(p rfc8555.Problem) Trouble {
	switch p.Type {
	case rfc8555.ProblemTypeRateLimited:
		return b.rateLimited(p)
	case rfc8555.ProblemTypeCAA:
		return b.caa()
	case rfc8555.ProblemTypeExternalAccountRequired:
		return eab()
	case rfc8555.ProblemTypeDNS:
		return b.dns(p)
	case rfc8555.ProblemTypeConnection:
		if saysNoAddress.MatchString(p.Detail) {
			return b.dns(p)
		}
		return b.unreachable(p)
	case rfc8555.ProblemTypeTLS, rfc8555.ProblemTypeIncorrectResponse:
		return b.answered(p)
	case rfc8555.ProblemTypeRejectedIdentifier, rfc8555.ProblemTypeUnsupportedIdentifier:
		return b.rejected()
	case rfc8555.ProblemTypeInvalidContact, rfc8555.ProblemTypeUnsupportedContact,
		rfc8555.ProblemTypeUserActionRequired, rfc8555.ProblemTypeAccountDoesNotExist:
		return account()
	case invalidProfile:
		return profile()
	case rfc8555.ProblemTypeServerInternal, rfc8555.ProblemTypeBadNonce:
		return outOfOrder()
	}
	return b.byWords(p)
}

// byWords is for the types that CAs use for many things.
func (b blame) byWords(p rfc8555.Problem) Trouble {
	_, challenged := p.Resource.(rfc8555.Authorization)
	switch {
	case p.Status == 429:
		return b.rateLimited(p)
	case p.Status >= 500:
		return outOfOrder()
	case p.Type == rfc8555.ProblemTypeCompound && len(p.Subproblems) > 0:
		return b.ofProblem(inherit(p))
	case challenged:
		return b.ofChallenge(p)
	case saysEAB.MatchString(p.Detail):
		return eab()
	case saysCAA.MatchString(p.Detail):
		return b.caa()
	case p.Type == rfc8555.ProblemTypeUnauthorized:
		return account()
	}
	return Trouble{Reason: ReasonOther, Advice: adviceOther}
}

func (b blame) ofChallenge(p rfc8555.Problem) Trouble {
	switch {
	case challengeOf(p) == challengeDNS, saysNoAddress.MatchString(p.Detail):
		return b.dns(p)
	case saysNoConnect.MatchString(p.Detail):
		return b.unreachable(p)
	}
	return b.answered(p)
}

// inherit is the first of a problem's parts, about the same challenge.
func inherit(p rfc8555.Problem) rfc8555.Problem {
	first := p.Subproblems[0].Problem
	first.Resource = p.Resource
	return first
}

// challengeDNS is the challenge that tls.acme.dns turns on.
const challengeDNS = "dns-01"

// challengeOf is the type of the challenge that a problem is about, "" if none
// is known.
func challengeOf(p rfc8555.Problem) string {
	authz, _ := p.Resource.(rfc8555.Authorization)
	for _, c := range authz.Challenges {
		if c.Error != nil {
			return c.Type
		}
	}
	return ""
}

// What certmagic and acmez say of failures that have no type.
var (
	failedState   = regexp.MustCompile(`unable to acquire lock|renew lock lease|locking account registration|could not save account|saving assets|loading account|presenting for challenge|resetting our local copy`)
	failedName    = regexp.MustCompile(`does not qualify for a public certificate|cannot have public IP certificate`)
	failedProfile = regexp.MustCompile(`unknown profile name|does not advertise support for profiles`)
	failedSolver  = regexp.MustCompile(`no solvers available`)
	failedMAC     = regexp.MustCompile(`base64-decoding MAC key|signing EAB content`)
	notACME       = regexp.MustCompile(`required directory fields are missing|directory missing|JSON-decoding|HTTP 4\d\d\b|unrecognized Content-Type|target container is not`)
	brokenHTTP    = regexp.MustCompile(`HTTP 5\d\d\b|unexpected status code|took too long|reading response body`)
)

func (b blame) ofFailure(err error) Trouble {
	text := err.Error()
	if _, ok := errors.AsType[recordError](err); ok {
		if saysKey.MatchString(text) {
			return tsig()
		}
		return b.record()
	}
	if _, ok := errors.AsType[client.Unfit](err); ok {
		return unfit()
	}
	if _, ok := errors.AsType[client.Misbehaviour](err); ok {
		return noDirectory()
	}
	switch {
	case isUntrusted(err):
		return untrusted()
	case failedState.MatchString(text):
		return Trouble{Reason: ReasonState, Advice: adviceState}
	case failedName.MatchString(text):
		return b.rejected()
	case failedProfile.MatchString(text):
		return profile()
	case failedSolver.MatchString(text):
		return Trouble{Reason: ReasonRefused, Advice: adviceSolver}
	case failedMAC.MatchString(text):
		return eab()
	case isNetwork(err):
		return noCA()
	case brokenHTTP.MatchString(text):
		return outOfOrder()
	case notACME.MatchString(text):
		return noDirectory()
	}
	return Trouble{Reason: ReasonOther, Advice: adviceOther}
}

// isUntrusted reports whether the CA's own https has a certificate that nobody
// here trusts.
func isUntrusted(err error) bool {
	_, verify := errors.AsType[*tls.CertificateVerificationError](err)
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	return verify || unknown || name || invalid
}

func isNetwork(err error) bool {
	_, network := errors.AsType[net.Error](err) // so are *url.Error and *net.OpError
	return network || errors.Is(err, context.DeadlineExceeded)
}
