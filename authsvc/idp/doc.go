// Package idp knows providers of identities: GitHub, GitLab, Google, and any
// other that speaks OpenID Connect. A person logs in at one of them with a
// browser.
//
// A Start comes in and the address comes out to which a browser is sent; then a
// Return, which the browser brought back, and out comes the Person for whom the
// provider vouches, with labels from the groups they are in. Later the provider
// is asked about the same person again, without them. It says one of three
// things: who they are, no (a Refusal), or nothing that can be relied on (any
// other error), for which nobody must pay.
//
// The package has no pages, cookies or state: the caller makes the secrets of a
// login, and compares the state. It says nothing that it was told in confidence:
// no code, token or client secret is in an error.
//
// It alone knows go-oidc and x/oauth2. A provider, and its connections, live as
// long as a generation of the configuration; nothing is asked before somebody
// logs in, so that one that is down stops nobody else.
package idp
