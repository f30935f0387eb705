// Package ldap knows the accounts of LDAP directories, such as OpenLDAP, 389
// Directory Server, FreeIPA and Active Directory.
//
// Credentials come in; the identity comes out, with labels from attributes of
// the account and from the groups it is in. A Directory looks for the account
// as a service account (or as the user, initial_bind_as_user), and then binds
// as what it found, which is how a directory compares a password: it gives no
// hash to anybody. The package remembers nobody (package password does),
// follows no referrals and never binds without a password, which a directory
// would take for a success (RFC 4513 5.1.2).
//
// It alone knows go-ldap. A Directory, and its connections, live as long as a
// generation of the configuration.
package ldap
