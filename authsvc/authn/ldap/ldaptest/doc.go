// Package ldaptest is an LDAP server for tests: it keeps a few entries, knows
// binds, searches and StartTLS, and does wrong whatever a test tells it to.
//
// Entries and faults go in; what was asked comes out. It is no directory: it
// checks no rights and no schema, and all values are equal that differ in case
// or in white space alone. A Server lives as long as its test.
package ldaptest
