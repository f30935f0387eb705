package secret

import (
	"crypto/sha256"
	"time"

	"github.com/regate/regate/authsvc/authn"
)

// The kinds of secrets that stand in for a password.
const (
	Personal = "personal" // of a person
	Robot    = "robot"    // of a machine that acts for an account
)

// A Token is what is known of a secret, all but its text.
type Token struct {
	ID      string
	Kind    string
	Owner   string // account
	Method  string // the login that vouches for the owner, such as github_auth
	Name    string // as the owner calls it; all secrets of a robot have its name
	Created time.Time
	Expires time.Time // zero is never
	Used    time.Time // up to an hour before the last time; zero is never

	Within   []authn.Bound // what it is good for; none is all that the owner may
	Replaced bool          // by a newer secret of the same robot, and ends soon
	Service  string        // that a refresh token gets tokens for, and no other
}

// Expired reports whether t is good no longer.
func (t Token) Expired(now time.Time) bool { return !t.Expires.IsZero() && !now.Before(t.Expires) }

// life is how long t was to be good when it was made.
func (t Token) life() time.Duration { return t.Expires.Sub(t.Created) }

// left is how long t stays in the state; 0 is for ever.
func (t Token) left(now time.Time) time.Duration {
	if t.Expires.IsZero() {
		return 0
	}
	return max(t.Expires.Sub(now)+remembered, time.Second)
}

// A record is a Token in the state. Times are Unix seconds; 0 is none.
type record struct {
	Kind    string `json:"kind"`
	Owner   string `json:"owner"`
	Method  string `json:"method"`
	Name    string `json:"name"`
	Hash    []byte `json:"hash"` // SHA-256 of the secret, without its text's prefix, id and checksum
	Created int64  `json:"created"`
	Expires int64  `json:"expires,omitempty"`
	Used    int64  `json:"used,omitempty"`

	Within   []authn.Bound `json:"within,omitempty"`
	Replaced bool          `json:"replaced,omitempty"`
	Service  string        `json:"service,omitempty"`
}

func newRecord(t Token, hash [sha256.Size]byte) record {
	return record{
		Kind: t.Kind, Owner: t.Owner, Method: t.Method, Name: t.Name, Hash: hash[:],
		Created: seconds(t.Created), Expires: seconds(t.Expires), Used: seconds(t.Used),
		Within: t.Within, Replaced: t.Replaced, Service: t.Service,
	}
}

func (r record) token(id string) Token {
	return Token{
		ID: id, Kind: r.Kind, Owner: r.Owner, Method: r.Method, Name: r.Name,
		Created: moment(r.Created), Expires: moment(r.Expires), Used: moment(r.Used),
		Within: r.Within, Replaced: r.Replaced, Service: r.Service,
	}
}

func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func moment(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}
