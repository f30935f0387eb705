package sqldb

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/password"
)

// unreachable are conn strings of servers of each kind, with a password that
// must not be seen.
func unreachable(addr string) map[string]string {
	return map[string]string{
		MySQL:    "gate:hunter2@tcp(" + addr + ")/auth",
		Postgres: "postgres://gate:hunter2@" + addr + "/auth?sslmode=disable",
	}
}

// TestServerIsDown: that is no refusal, and no reason to say the password.
func TestServerIsDown(t *testing.T) {
	for kind, text := range unreachable("127.0.0.1:1") {
		users := usersOf(t, Connection{DatabaseType: kind, ConnString: authn.Secret(text)})
		_, err := users.Authenticate(t.Context(), authn.Credentials{Account: "alice", Password: "secret"})
		checkError(t, err, errOther)
		if strings.Contains(err.Error(), "hunter2") || errors.Is(err, authn.ErrUndecided) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// TestServerIsSlow: it gets its time, and no more.
func TestServerIsSlow(t *testing.T) {
	for kind, text := range unreachable(stalled(t)) {
		users := usersOf(t, Connection{DatabaseType: kind, ConnString: authn.Secret(text), Timeout: leastTimeout})
		began := time.Now()
		_, err := users.Authenticate(t.Context(), authn.Credentials{Account: "alice", Password: "secret"})
		checkError(t, err, errOther)
		if took := time.Since(began); took > 10*time.Second || !strings.Contains(err.Error(), "no answer within 100ms") {
			t.Errorf("%s: after %s: %v", kind, took, err)
		}
		ctx, giveUp := context.WithTimeout(t.Context(), time.Millisecond)
		defer giveUp()
		if _, err := users.Find(ctx, "alice"); !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "no answer") {
			t.Errorf("%s: left early: %v", kind, err)
		}
	}
}

// TestTooManyWait: a flood is told so, and holds nobody.
func TestTooManyWait(t *testing.T) {
	users := usersOf(t, Connection{DatabaseType: MySQL, ConnString: authn.Secret(unreachable(stalled(t))[MySQL]), Connections: 1, Timeout: mostTimeout})
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range queuePerConnection + 1 {
		all.Go(func() { _, _ = users.Find(ctx, "alice") })
	}
	for users.database.asked.Load() <= queuePerConnection {
		time.Sleep(time.Millisecond)
	}
	if _, err := users.Find(t.Context(), "alice"); !errors.Is(err, authn.ErrBusy) {
		t.Errorf("one more: %v", err)
	}
	stop()
	all.Wait()
	if n := users.database.asked.Load(); n != 0 {
		t.Errorf("%d are still asked", n)
	}
}

// TestConnectionsAreShared by users and rules that are in one database.
func TestConnectionsAreShared(t *testing.T) {
	all := databases(t)
	one := Connection{DatabaseType: MySQL, ConnString: "gate@tcp(127.0.0.1:1)/auth", Connections: 3}
	more, other := one, one
	more.Connections, other.ConnString = 5, "gate@tcp(127.0.0.1:1)/other"
	users, err := NewUsers(UsersConfig{Connection: one}, all, password.NewPool(password.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	if d, _ := all.get(more.withDefaults()); d != users.database || d.db.Stats().MaxOpenConnections != 5 {
		t.Errorf("the same database has other connections: %+v", d.db.Stats())
	}
	if d, _ := all.get(other.withDefaults()); d == users.database {
		t.Error("another database has the same connections")
	}
	if d, _ := all.get(one.withDefaults()); d.db.Stats().MaxOpenConnections != 5 {
		t.Errorf("fewer connections: %+v", d.db.Stats())
	}
}

// TestWhoIsAtItMayGoOn when the generation ends.
func TestWhoIsAtItMayGoOn(t *testing.T) {
	path, db := newFile(t)
	addUser(t, db, "alice", hashed(t, "secret"), nil)
	var all Databases
	users, err := NewUsers(UsersConfig{Connection: inFile(path)}, &all, password.NewPool(password.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	if err := all.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := users.Find(t.Context(), "alice"); err != nil {
		t.Errorf("Find() after Close = %v", err)
	}
}

func TestConnStringFile(t *testing.T) {
	path, db := newFile(t)
	addUser(t, db, "alice", hashed(t, "secret"), nil)
	file := filepath.Join(t.TempDir(), "conn")
	for text, want := range map[string]string{
		path + "\n":  "",
		" \n":        "conn_string_file: " + file + " is empty",
		":memory:\n": "conn_string_file: is no file, and a database in memory is empty",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := NewUsers(UsersConfig{Connection: Connection{DatabaseType: SQLite, ConnStringFile: file}}, databases(t), nil)
		if got := message(err); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	_, err := NewRules(RulesConfig{Connection: Connection{DatabaseType: SQLite, ConnStringFile: file + "x"}}, databases(t), nil)
	if !errors.Is(err, os.ErrNotExist) && !strings.Contains(message(err), "conn_string_file: open ") {
		t.Errorf("no file: %v", err)
	}
}

// TestFileThatIsNotThere is said as such, by who asks and by a check: SQLite has
// the same words for it as for a lack of memory.
func TestFileThatIsNotThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "100% of #1?.db")
	c := inFile(path)
	want := "open " + path + ": no such file or directory"
	users, err := NewUsers(UsersConfig{Connection: c}, databases(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := users.Find(t.Context(), "alice"); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Find() = %v", err)
	}
	if got := message(c.Remark()); got != "conn_string: "+want {
		t.Errorf("Remark() = %q", got)
	}
	there, _ := newFile(t)
	for name, c := range map[string]Connection{
		"a file":   inFile(there),
		"a server": {DatabaseType: Postgres, ConnString: "postgres://gate@127.0.0.1:1/auth"},
		"nonsense": {DatabaseType: "x", ConnString: "y"},
	} {
		if err := c.Remark(); err != nil {
			t.Errorf("%s: Remark() = %v", name, err)
		}
	}
}
