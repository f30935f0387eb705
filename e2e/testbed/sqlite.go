package testbed

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// An SQLite is a database in a file, which Python's library reads and writes.
type SQLite struct {
	File string

	dir string
}

// NewSQLite makes an empty one.
func NewSQLite(t testing.TB) *SQLite {
	t.Helper()
	s := &SQLite{dir: Dir(t)}
	s.File = filepath.Join(s.dir, "accounts.db")
	s.SQL(t, "PRAGMA journal_mode=wal")
	return s
}

// SQL has the statements carried out.
func (s *SQLite) SQL(t testing.TB, statements string) {
	t.Helper()
	Run(t, s.python("db.executescript(sys.argv[2])", statements))
}

// Lock keeps everybody else from the file for a while.
func (s *SQLite) Lock(t testing.TB, _ string, long time.Duration) {
	t.Helper()
	Start(t, s.python(fmt.Sprintf("db.execute('PRAGMA locking_mode=exclusive'); db.execute('BEGIN EXCLUSIVE'); time.sleep(%g)", long.Seconds()), ""))
}

// Stop takes the file away, and Launch brings it back.
func (s *SQLite) Stop(t testing.TB) { s.move(t, s.File, s.File+".away") }

// Launch brings the file back.
func (s *SQLite) Launch(t testing.TB) { s.move(t, s.File+".away", s.File) }

func (s *SQLite) move(t testing.TB, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func (s *SQLite) python(program, argument string) Command {
	return Command{Program: "python3", Dir: s.dir, Args: []string{
		"-c", "import sqlite3, sys, time; db = sqlite3.connect(sys.argv[1], isolation_level=None); " + program, s.File, argument,
	}}
}
