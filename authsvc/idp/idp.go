package idp

import (
	"time"

	"github.com/regate/regate/authsvc/authn"
)

// A Start is the beginning of a login. State, Nonce and Verifier are random,
// with 256 bits each, and of this login alone.
type Start struct {
	Redirect string // the call-back; a redirect_url that is configured takes its place
	State    string // comes back with the browser; the caller compares it
	Nonce    string // comes back in the ID token, which is where it is compared
	Verifier string // of PKCE (RFC 7636); the provider is told its hash
	Consent  bool   // the person is asked to agree, even if they have before
}

// A Return is the end of a login: the code that the browser brought, and what
// the Start had.
type Return struct {
	Redirect string
	Code     string
	Nonce    string
	Verifier string
}

// A Person is who a provider vouches for.
type Person struct {
	// Account is the name for rules and tokens, in its one spelling: GitHub's
	// and GitLab's logins and e-mail addresses are in small letters.
	Account string
	// Subject is the provider's own name of the person, which never becomes
	// somebody else's. A login as the same Account by another Subject is that of
	// a stranger who has taken over the name.
	Subject string
	// Labels are the groups that the person is in now.
	Labels authn.Labels
	// Missing are the claims that are to become labels and did not come. Whoever
	// is in no group may have none, or the provider sends it to nobody.
	Missing []string
	// Refresh is what Renew takes. "" if the provider gives none; one that was
	// given before to the same Subject goes on being good then.
	Refresh authn.Secret
}

// Terms are how long the word of a provider counts.
type Terms struct {
	RevalidateAfter time.Duration // Renew is due so long after the last answer
	MaxAge          time.Duration // a login without a Refresh ends so long after it
	Title           string        // for people, such as GitHub
	Issuer          string        // the provider's URL: a Subject means nothing elsewhere, and a Refresh is nobody else's to see
	Consent         bool          // there is a Refresh only when the person was asked to agree
}

// A Refusal is a clear no: there is no such person any more, or nobody may log
// in as them. Whatever else is an error says that the provider could not tell;
// if it is a Misfit, that it never will.
type Refusal struct {
	Msg string // may be shown to the person: "you are not in the organization acme"
	Who string // the account that was claimed; "" if that is not known
}

func (r *Refusal) Error() string { return r.Msg }
