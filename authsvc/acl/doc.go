// Package acl is the rules: an identity and what it asks for go in, and the
// part of it that is granted comes out.
//
// The rules are docker_auth's (its authz/acl.go): the first one whose every
// condition holds decides, and nothing is granted when there is none. What is
// a hole there is closed here: a rule without match or actions and a variable
// that does not exist are mistakes, and what comes from a user is taken
// literally.
//
// A List is compiled once and asked often. Deciding cannot fail, takes no
// lock, and costs about the same for ten rules and for ten thousand: each rule
// is filed under a text that an account, a name or a label must have or begin
// with, and only rules without one are tried for every question.
//
// Labels multiply: a pattern with three of them has as many readings as there
// are combinations of values. Values that do not occur in the text are left out
// first, a regex takes all values of a label as alternatives where it can, and
// the combinations that remain are bounded (maxGlobTries, maxRegexTries). Beyond
// that a rule counts as matching and grants nothing, so that a refusal is never
// skipped.
//
// A Follower has a List of rules that are kept somewhere else, and reads them
// again every so often; who reads them is a package of its own. It is the one
// that starts something: Run has to be called.
//
// The package does not know how somebody proved an identity (package authn),
// who signs the answer (package token), nor HTTP. A List lives as long as a
// generation of the configuration, an Ask as long as a request.
package acl
