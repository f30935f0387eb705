package sqldb

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/regate/regate/internal/problem"
)

// Validate reports all mistakes.
func (c Connection) Validate() error {
	var l problem.List
	full := c.withDefaults()
	if _, err := c.dialect(); err != nil {
		l.Addf("database_type", "%v", err)
	}
	switch text := c.ConnString.Reveal(); {
	case text == "" && c.ConnStringFile == "":
		l.Addf("conn_string", "is missing, and conn_string_file too")
	case text != "" && c.ConnStringFile != "":
		l.Addf("conn_string_file", "stands beside conn_string: give one of them")
	case text != "":
		c.checkText(&l, "conn_string", text)
	}
	if c.CA != "" && c.DatabaseType == SQLite {
		l.Addf("ca", "has no meaning for %s, which is a file", SQLite)
	}
	if full.Timeout < leastTimeout || full.Timeout > mostTimeout {
		l.Addf("timeout", "%s is not between %s and %s", c.Timeout, leastTimeout, mostTimeout)
	}
	if full.Connections < 1 || full.Connections > mostConnections {
		l.Addf("connections", "%d is not between 1 and %d", c.Connections, mostConnections)
	}
	return l.Err()
}

// checkText says what is wrong with a conn string. What stands there is never
// shown, since its password is in it.
func (c Connection) checkText(l *problem.List, path, text string) {
	d, err := c.dialect()
	if err != nil || text == "?" { // which the reader of a file leaves for a secret that it has found wrong
		return
	}
	a, err := d.parse(text)
	switch {
	case err != nil:
		l.Addf(path, "%v", err)
	case a.open && c.CA == "" && !local(a.host):
		l.Warnf(path, "%s", a.how)
	}
}

// HasPassword reports whether there is one in ConnString, or could be, since
// nobody can read it.
func (c Connection) HasPassword() bool {
	d, err := c.dialect()
	if err != nil {
		return true
	}
	a, err := d.parse(c.ConnString.Reveal())
	return err != nil || a.password
}

// local reports whether nobody else can read along.
func local(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "" || host == "localhost" || strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || err == nil && a.IsLoopback()
}

// Validate reports all mistakes.
func (c UsersConfig) Validate() error {
	var l problem.List
	l.Under("", c.Connection.Validate())
	if c.AnyPassword {
		l.Warnf("any_password", "anybody gets in as an account whose password_hash is NULL, with any password that is not empty: delete it unless that is meant")
	}
	return l.Err()
}

// Validate reports all mistakes.
func (c RulesConfig) Validate() error {
	var l problem.List
	l.Under("", c.Connection.Validate())
	l.Under("", c.Refresh.Validate())
	return l.Err()
}

func (c Connection) dialect() (dialect, error) {
	switch c.DatabaseType {
	case MySQL:
		return mysqlDialect, nil
	case Postgres:
		return postgresDialect, nil
	case SQLite:
		return sqliteDialect, nil
	case "":
		return dialect{}, errors.New("is missing: mysql (for MariaDB too), postgres or sqlite3")
	}
	return dialect{}, fmt.Errorf("%q is none of mysql (for MariaDB too), postgres and sqlite3", c.DatabaseType)
}
