package testbed

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

// A MariaDB is one with an empty database docker_auth.
type MariaDB struct {
	*Process
	Addr string // 127.0.0.1:PORT
	CA   *CA    // who has signed its certificate

	port             int
	dir, data, sock  string
	certFile, secret string
}

// StartMariaDB makes a MariaDB, starts it, and waits until it answers.
func StartMariaDB(t testing.TB) *MariaDB {
	t.Helper()
	m := &MariaDB{port: Port(), CA: NewCA(t), dir: Dir(t)}
	m.Addr = fmt.Sprintf("127.0.0.1:%d", m.port)
	m.data, m.sock = filepath.Join(m.dir, "data"), filepath.Join(m.dir, "sock")
	m.certFile, m.secret = m.CA.Issue(t, "127.0.0.1")
	Run(t, Command{Program: "mariadb-install-db", Dir: m.dir, Args: []string{
		"--no-defaults", "--datadir=" + m.data, "--auth-root-authentication-method=normal", "--user=root", "--skip-test-db",
	}})
	m.Launch(t)
	Run(t, m.client("mysql", "CREATE DATABASE docker_auth"))
	return m
}

// Launch runs it, the first time or again, and waits until it answers.
func (m *MariaDB) Launch(t testing.TB) {
	t.Helper()
	m.Process = Start(t, Command{Program: "mariadbd", Dir: m.dir, Args: []string{
		"--no-defaults", "--user=root", "--datadir=" + m.data, "--bind-address=127.0.0.1", fmt.Sprintf("--port=%d", m.port),
		"--socket=" + m.sock, "--pid-file=" + filepath.Join(m.dir, "pid"), "--innodb-flush-log-at-trx-commit=0",
		"--ssl-cert=" + m.certFile, "--ssl-key=" + m.secret,
	}})
	m.Await(t, func() error { _, err := Try(m.client("mysql", "SELECT 1")); return err })
}

// SQL has the statements carried out, as the administrator.
func (m *MariaDB) SQL(t testing.TB, statements string) {
	t.Helper()
	Run(t, m.client("docker_auth", statements))
}

// Lock keeps everybody else from a table for a while.
func (m *MariaDB) Lock(t testing.TB, table string, long time.Duration) {
	t.Helper()
	Start(t, m.client("docker_auth", fmt.Sprintf("LOCK TABLES %s WRITE; SELECT SLEEP(%g)", table, long.Seconds())))
}

func (m *MariaDB) client(database, statements string) Command {
	return Command{Program: "mariadb", Dir: m.dir, Args: []string{
		"--no-defaults", "--user=root", "--socket=" + m.sock, "--database=" + database, "--execute=" + statements,
	}}
}
