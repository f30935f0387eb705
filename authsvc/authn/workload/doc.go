// Package workload knows the accounts that workloads have, such as the jobs of a
// CI or the pods of a cluster: who runs them issues each of them a JWT, which it
// shows in the place of a password.
//
// In go credentials with a JWT, out comes the identity that the rules make of
// its claims. Whether the JWT is good is checked by package idp; what is no JWT
// of an issuer that is configured is left to whoever comes next. The user name
// beside it says nothing. Nothing is kept: a JWT is checked each time.
//
// Its values live as long as a generation of the configuration; issuers that the
// next one has as well go on living in it, with their keys.
package workload
