package oci

import "strings"

// A Challenge is the WWW-Authenticate header of a 401 of a registry: it tells
// a client where to ask for a token, and for which (RFC 6750 3;
// distribution docs/content/spec/auth/token.md).
type Challenge struct {
	Realm       string // absolute URL of the token service
	Service     string
	Scope       Scope
	Reason      Reason
	Description string // shown to users by docker and podman if Reason is InsufficientScope
}

// A Reason is the error attribute of a challenge. Clients depend on it:
// containerd and BuildKit retry the same token for ever if there is none,
// and fetch a new one if there is (protocol.md 1.8).
type Reason string

// The reasons for a refusal.
const (
	NoToken           Reason = ""
	InvalidToken      Reason = "invalid_token"
	InsufficientScope Reason = "insufficient_scope"
)

// String is the value of the header. docker stops reading at the first empty
// parameter, so an empty one is left out.
func (c Challenge) String() string {
	var b strings.Builder
	b.WriteString(`Bearer realm="`)
	b.WriteString(c.Realm)
	b.WriteByte('"')
	param(&b, "service", c.Service)
	param(&b, "scope", c.Scope.String())
	param(&b, "error", string(c.Reason))
	param(&b, "error_description", c.Description)
	return b.String()
}

// param writes a quoted parameter without any escape, since clients differ in
// reading those.
func param(b *strings.Builder, key, value string) {
	if value == "" {
		return
	}
	b.WriteString("," + key + `="`)
	for i := range len(value) {
		if c := value[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			b.WriteByte('?')
		} else {
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
}

// A Refusal is the error of somebody who was asked to authorize a request and
// will not: the caller makes a Challenge of it.
type Refusal struct {
	Reason Reason
	Msg    string // for the client
	Err    error  // for the log
}

func (r *Refusal) Error() string {
	if r.Err == nil {
		return r.Msg
	}
	return r.Msg + ": " + r.Err.Error()
}

func (r *Refusal) Unwrap() error { return r.Err }
