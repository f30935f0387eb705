package sqldb

import (
	"crypto/tls"
	"crypto/x509"
	"database/sql"
)

// A dialect is what differs between databases.
type dialect struct {
	placeholder string // of the first argument
	parse       func(text string) (address, error)
	// foreign reports whether err says that a text has letters which a column,
	// by its encoding, cannot hold. nil is never.
	foreign func(err error) bool
}

// An address is where a database is, and how it is opened.
type address struct {
	host string // "" if it is on this machine
	open bool   // others on the way can read along, or answer in its place
	how  string // to mend that

	password bool   // is in the conn string
	file     string // the database, if it is one
	// connect makes the pool, and connects to nothing. With roots every
	// connection is encrypted, to a server with a certificate of theirs.
	connect func(roots *x509.CertPool) *sql.DB
}

// trusting is how a server is spoken to of which only the signer is known.
func trusting(roots *x509.CertPool, host string) *tls.Config {
	return &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12}
}

// The tables are docker_auth's, as xorm made them of its XormUser and
// XormACLEntry. It never looks at more than the newest row of a name; there may
// be rows of other names too (see mostRows).
const (
	selectUser = "SELECT username, password_hash, labels FROM xorm_user WHERE username = %s ORDER BY id DESC LIMIT %d"
	selectACL  = "SELECT seq, acl_entry FROM xorm_acl_entry LIMIT %d"
)
