// Package secret keeps the secrets that the gate has given out, for people to
// show in the place of their passwords: personal tokens. A Book makes them,
// knows them again, lists and revokes them.
//
// The text of a secret goes out once, when it is made; what stays is its
// SHA-256, in the state that all gates share. While that is away, what was good
// lately goes on. The package does not know
// whether the owner still exists, nor what the owner may do, nor HTTP. A Book
// lives as long as the process.
package secret
