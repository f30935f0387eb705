package sqldb

import (
	"database/sql"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/password"
)

// The tables as xorm makes them in SQLite.
const tables = "CREATE TABLE `xorm_user` (`id` INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, `username` TEXT NOT NULL, `password_hash` TEXT NOT NULL, `labels` TEXT NULL);" +
	"CREATE TABLE `xorm_acl_entry` (`acl_entry` TEXT NULL, `seq` INTEGER NULL)"

// newFile makes a database with docker_auth's tables, and returns its path and
// somebody who may write to it.
func newFile(t testing.TB) (path string, db *sql.DB) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "100% of #1?.db") // SQLite reads URIs
	db, err := sql.Open("sqlite", "file:"+escapePath(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	change(t, db, "PRAGMA synchronous=off")
	change(t, db, tables)
	return path, db
}

func change(t testing.TB, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Exec(query, args...); err != nil {
		t.Fatal(err)
	}
}

func addUser(t testing.TB, db *sql.DB, name string, hash, labels any) {
	t.Helper()
	change(t, db, "INSERT INTO xorm_user (username, password_hash, labels) VALUES (?, ?, ?)", name, hash, labels)
}

func addRule(t testing.TB, db *sql.DB, seq, entry any) {
	t.Helper()
	change(t, db, "INSERT INTO xorm_acl_entry (acl_entry, seq) VALUES (?, ?)", entry, seq)
}

func hashed(t testing.TB, text string) string {
	t.Helper()
	hash, err := password.Hash(text, 4)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func databases(t testing.TB) *Databases {
	var all Databases
	t.Cleanup(func() { all.Close() })
	return &all
}

func usersOf(t testing.TB, c Connection) *Users {
	t.Helper()
	u, err := NewUsers(UsersConfig{Connection: c}, databases(t), password.NewPool(password.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func inFile(path string) Connection {
	return Connection{DatabaseType: SQLite, ConnString: authn.Secret("file:" + escapePath(path))}
}

// stalled is the address of a server that takes connections, and never says a
// word.
func stalled(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
		}
	}()
	return l.Addr().String()
}

func rename(t testing.TB, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
