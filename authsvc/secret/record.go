package secret

import (
	"crypto/sha256"
	"time"
)

// Personal is the kind of a secret that somebody has made for himself, after
// a login in a browser.
const Personal = "personal"

// A Token is what is known of a secret, all but its text.
type Token struct {
	ID      string
	Kind    string
	Owner   string // account
	Method  string // the login that vouches for the owner, such as github_auth
	Name    string // as the owner calls it
	Created time.Time
	Expires time.Time // zero is never
	Used    time.Time // up to an hour before the last time; zero is never
}

// Expired reports whether t is good no longer.
func (t Token) Expired(now time.Time) bool { return !t.Expires.IsZero() && !now.Before(t.Expires) }

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
}

func newRecord(t Token, hash [sha256.Size]byte) record {
	return record{t.Kind, t.Owner, t.Method, t.Name, hash[:], seconds(t.Created), seconds(t.Expires), seconds(t.Used)}
}

func (r record) token(id string) Token {
	return Token{id, r.Kind, r.Owner, r.Method, r.Name, moment(r.Created), moment(r.Expires), moment(r.Used)}
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
