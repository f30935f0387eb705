package sqldb

import (
	"time"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn"
)

// Connection says which database is asked, and how. Its keys are docker_auth's,
// with the same meaning, and more.
type Connection struct {
	// DatabaseType is mysql (for MariaDB too), postgres or sqlite3. Required.
	DatabaseType string `yaml:"database_type"`
	// ConnString is how the database's driver in docker_auth has it:
	//
	//	mysql     USER:PASSWORD@tcp(HOST:3306)/DATABASE
	//	postgres  postgres://USER:PASSWORD@HOST:5432/DATABASE, or host=HOST user=USER …
	//	sqlite3   the path of the file, or file:PATH; what follows a "?" does not count
	//
	// A connection to postgres is encrypted unless sslmode=disable stands there.
	ConnString authn.Secret `yaml:"conn_string"`
	// ConnStringFile is a file that holds the ConnString alone. One of both is
	// required.
	ConnStringFile string `yaml:"conn_string_file"`
	// CA is a PEM file with those who may sign the server's certificate. With it
	// every connection is encrypted, and the name of the server is checked.
	// Default: what ConnString says.
	CA string `yaml:"ca"`
	// Timeout is how long an answer may take, the way to a connection included.
	// 100ms to 1m, default 5s.
	Timeout time.Duration `yaml:"timeout"`
	// Connections is how many there are at most. Sixteen times as many questions
	// wait for one; what is beyond is refused as too many requests (429). Users
	// and rules with the same ConnString share them. 1 to 1000, default 8.
	Connections int `yaml:"connections"`
}

// UsersConfig is xorm_auth: accounts in the table xorm_user.
type UsersConfig struct {
	Connection `yaml:",inline"`
	// AnyPassword lets everybody in by the name of an account whose
	// password_hash is NULL, with any password at all. Default false: nobody.
	AnyPassword bool `yaml:"any_password"`
}

// RulesConfig is acl_xorm: rules in the table xorm_acl_entry.
type RulesConfig struct {
	Connection  `yaml:",inline"`
	acl.Refresh `yaml:",inline"`
}

// The values of DatabaseType.
const (
	MySQL    = "mysql"
	Postgres = "postgres"
	SQLite   = "sqlite3"
)

const (
	defaultTimeout     = 5 * time.Second
	leastTimeout       = 100 * time.Millisecond
	mostTimeout        = time.Minute
	defaultConnections = 8
	mostConnections    = 1000
)

// Same reports whether both lead to the same database, as long as the files that
// they name hold the same.
func (c Connection) Same(as Connection) bool {
	return c.DatabaseType == as.DatabaseType && c.ConnString == as.ConnString && c.ConnStringFile == as.ConnStringFile && c.CA == as.CA
}

func (c Connection) withDefaults() Connection {
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Connections == 0 {
		c.Connections = defaultConnections
	}
	return c
}
