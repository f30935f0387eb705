// Package sqldb knows the accounts and the rules of a database: docker_auth's
// xorm_auth and acl_xorm, with its tables as they are, on PostgreSQL, MySQL or
// MariaDB, and SQLite.
//
// Credentials go in, and an identity comes out of Users; the rules become an
// acl.Follower, which reads them every so often. Both share the connections of
// Databases. No connection is made before the first question, so a database
// that is down stops nobody whom it does not know.
//
// The package writes nothing: it makes no tables and changes none. It compares
// no passwords itself, package password does, and it decides nothing, package
// acl does. Databases, Users and rules live as long as a generation of the
// configuration.
package sqldb
