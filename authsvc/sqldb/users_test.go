package sqldb

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/password"
)

// errOther stands for an error that is no refusal.
var errOther = errors.New("cannot tell")

var authenticateTests = []struct {
	name     string
	account  string
	password authn.Secret
	want     error
	labels   authn.Labels
}{
	{"right password", "alice", "secret", nil, authn.Labels{"team": {{Value: "web", Pattern: true}, {Value: "ops-*", Pattern: true}}}},
	{"wrong password", "alice", "Secret", authn.ErrWrongPassword, nil},
	{"no password", "alice", "", authn.ErrUnknownUser, nil},
	{"anonymous", "", "", authn.ErrUnknownUser, nil},
	{"password alone", "", "secret", authn.ErrUnknownUser, nil},
	{"unknown", "mallory", "secret", authn.ErrUnknownUser, nil},
	{"another case", "Alice", "secret", authn.ErrUnknownUser, nil},
	{"trailing space", "alice ", "secret", authn.ErrUnknownUser, nil},
	{"wildcard", "al%", "secret", authn.ErrUnknownUser, nil},
	{"injection", "' OR username='alice' -- ", "secret", authn.ErrUnknownUser, nil},
	{"zero byte", "alice\x00", "secret", authn.ErrUnknownUser, nil},
	{"no UTF-8", "alice\xff", "secret", authn.ErrUnknownUser, nil},
	{"newest row", "bob", "new", nil, nil},
	{"older row", "bob", "old", authn.ErrWrongPassword, nil},
	{"labels that xorm has for none", "carol", "secret", nil, nil},
	{"empty labels", "dave", "secret", nil, authn.Labels{}},
	{"no hash", "closed", "secret", authn.ErrWrongPassword, nil},
	{"marked hash", "locked", "secret", authn.ErrUndecided, nil},
	{"clear text", "clear", "secret", authn.ErrUndecided, nil},
	{"hash that takes days", "costly", "secret", authn.ErrUndecided, nil},
	{"malformed labels", "broken", "secret", authn.ErrUndecided, nil},
	{"malformed labels, wrong password", "broken", "wrong", authn.ErrWrongPassword, nil},
}

func newUsers(t *testing.T) *Users {
	path, db := newFile(t)
	hash := hashed(t, "secret")
	addUser(t, db, "alice", hash, `{"team": ["web", "ops-*"]}`)
	addUser(t, db, "bob", hashed(t, "old"), `{"team": "it"}`)
	addUser(t, db, "bob", hashed(t, "new"), nil)
	addUser(t, db, "carol", hash, "null")
	addUser(t, db, "dave", hash, "{}")
	addUser(t, db, "closed", "", nil)
	addUser(t, db, "locked", "!"+hash, nil)
	addUser(t, db, "clear", "secret", nil)
	addUser(t, db, "costly", "$2a$31"+hash[6:], nil)
	addUser(t, db, "broken", hash, `{"team": "web"}`)
	return usersOf(t, inFile(path))
}

func TestAuthenticate(t *testing.T) {
	users := newUsers(t)
	for _, tt := range authenticateTests {
		t.Run(tt.name, func(t *testing.T) {
			id, err := users.Authenticate(t.Context(), authn.Credentials{Account: tt.account, Password: tt.password})
			checkError(t, err, tt.want)
			want := authn.Identity{}
			if tt.want == nil {
				want = authn.Identity{Account: tt.account, Labels: tt.labels}
			}
			if !reflect.DeepEqual(id, want) {
				t.Errorf("Authenticate() = %+v, want %+v", id, want)
			}
		})
	}
}

func checkError(t *testing.T, err, want error) {
	t.Helper()
	refused := errors.Is(err, authn.ErrUnknownUser) || errors.Is(err, authn.ErrWrongPassword)
	switch {
	case want == errOther && (err == nil || refused):
		t.Errorf("error = %v, want one that is no refusal", err)
	case want != errOther && !errors.Is(err, want):
		t.Errorf("error = %v, want %v", err, want)
	}
}

var findTests = []struct {
	account string
	want    error
}{
	{"alice", nil},
	{"Alice", authn.ErrUnknownUser},
	{"mallory", authn.ErrUnknownUser},
	{"", authn.ErrUnknownUser},
	{"closed", authn.ErrUnknownUser},
	{"locked", authn.ErrUndecided},
	{"broken", errOther},
}

func TestFind(t *testing.T) {
	users := newUsers(t)
	for _, tt := range findTests {
		id, err := users.Find(t.Context(), tt.account)
		checkError(t, err, tt.want)
		if tt.want == nil && (id.Account != tt.account || len(id.Labels["team"]) != 2) {
			t.Errorf("Find(%q) = %+v", tt.account, id)
		}
	}
}

// TestNameIsTheOneWritten has a column that compares as MySQL's do.
func TestNameIsTheOneWritten(t *testing.T) {
	path, db := newFile(t)
	change(t, db, "DROP TABLE xorm_user; CREATE TABLE xorm_user (id INTEGER PRIMARY KEY, username TEXT COLLATE NOCASE, password_hash TEXT, labels TEXT)")
	addUser(t, db, "admin", hashed(t, "root"), nil)
	addUser(t, db, "Admin", hashed(t, "other"), nil)
	addUser(t, db, "ADMIN", "", nil)
	users := usersOf(t, inFile(path))
	for _, tt := range []struct {
		account  string
		password authn.Secret
		want     error
	}{
		{"admin", "root", nil},
		{"admin", "other", authn.ErrWrongPassword},
		{"Admin", "other", nil},
		{"aDMIN", "root", authn.ErrUnknownUser},
	} {
		_, err := users.Authenticate(t.Context(), authn.Credentials{Account: tt.account, Password: tt.password})
		if !errors.Is(err, tt.want) {
			t.Errorf("Authenticate(%s, %s) = %v, want %v", tt.account, tt.password.Reveal(), err, tt.want)
		}
	}
	for range mostRows {
		addUser(t, db, "Admin", "", nil)
	}
	_, err := users.Authenticate(t.Context(), authn.Credentials{Account: "admin", Password: "root"})
	checkError(t, err, errOther)
}

// TestNamesThatNobodyHas are not asked about: the database is down here.
func TestNamesThatNobodyHas(t *testing.T) {
	users := usersOf(t, inFile("/nowhere/accounts.db"))
	for _, name := range []string{"", "alice\x00", "alice\xff"} {
		if _, err := users.Find(t.Context(), name); !errors.Is(err, authn.ErrUnknownUser) {
			t.Errorf("Find(%q) = %v", name, err)
		}
	}
	if _, err := users.Find(t.Context(), "😀"); errors.Is(err, authn.ErrUnknownUser) {
		t.Errorf("Find() of a name that could be = %v", err)
	}
	users.database.foreign = func(error) bool { return true }
	if _, err := users.Find(t.Context(), "😀"); !errors.Is(err, authn.ErrUnknownUser) {
		t.Errorf("Find() of a name that the column cannot hold = %v", err)
	}
}

// TestMoreRowsThanAskedFor: a server that does not stop is not listened to for
// ever.
func TestMoreRowsThanAskedFor(t *testing.T) {
	path, db := newFile(t)
	addUser(t, db, "admin", hashed(t, "root"), nil)
	for range mostRows {
		addUser(t, db, "Admin", "", nil)
	}
	users := usersOf(t, inFile(path))
	users.query = "SELECT username, password_hash, labels FROM xorm_user WHERE ? != '' ORDER BY id DESC"
	_, err := users.Find(t.Context(), "admin")
	checkError(t, err, errOther)
}

// TestUsersFollowTheFile: it is asked each time, and may be replaced by another.
func TestUsersFollowTheFile(t *testing.T) {
	path, db := newFile(t)
	users := usersOf(t, inFile(path))
	alice := authn.Credentials{Account: "alice", Password: "secret"}
	if _, err := users.Authenticate(t.Context(), alice); !errors.Is(err, authn.ErrUnknownUser) {
		t.Fatalf("before: %v", err)
	}
	addUser(t, db, "alice", hashed(t, "secret"), nil)
	if _, err := users.Authenticate(t.Context(), alice); err != nil {
		t.Errorf("after: %v", err)
	}
	other, _ := newFile(t)
	rename(t, other, path)
	if _, err := users.Authenticate(t.Context(), alice); !errors.Is(err, authn.ErrUnknownUser) {
		t.Errorf("in another file: %v", err)
	}
	remove(t, path)
	_, err := users.Authenticate(t.Context(), alice)
	checkError(t, err, errOther)
	if exists(path) {
		t.Error("the gate has made a database")
	}
}

// TestFileIsOnlyRead, in whatever mode it is kept, while another writes.
func TestFileIsOnlyRead(t *testing.T) {
	for _, mode := range []string{"delete", "wal"} {
		path, db := newFile(t)
		change(t, db, "PRAGMA journal_mode="+mode)
		addUser(t, db, "alice", hashed(t, "secret"), nil)
		users := usersOf(t, inFile(path))
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec("DELETE FROM xorm_user"); err != nil {
			t.Fatal(err)
		}
		if _, err := users.Authenticate(t.Context(), authn.Credentials{Account: "alice", Password: "secret"}); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		if _, err := users.database.db.Exec("DELETE FROM xorm_user"); err == nil || !strings.Contains(err.Error(), "readonly") {
			t.Errorf("%s: write = %v", mode, err)
		}
	}
}

// TestAnyPassword: it is for whoever has no hash at all, and nobody else.
func TestAnyPassword(t *testing.T) {
	path, db := newFile(t)
	change(t, db, "DROP TABLE xorm_user; CREATE TABLE xorm_user (id INTEGER PRIMARY KEY, username TEXT, password_hash TEXT, labels TEXT)")
	addUser(t, db, "kiosk", nil, nil)
	addUser(t, db, "closed", "", nil)
	addUser(t, db, "alice", hashed(t, "secret"), nil)
	for _, tt := range []struct {
		account   string
		any       bool
		want      error
		wantFound error
	}{
		{"kiosk", false, authn.ErrWrongPassword, authn.ErrUnknownUser},
		{"kiosk", true, nil, nil},
		{"closed", true, authn.ErrWrongPassword, authn.ErrUnknownUser},
		{"alice", true, authn.ErrWrongPassword, nil},
	} {
		users, err := NewUsers(UsersConfig{inFile(path), tt.any}, databases(t), password.NewPool(password.Options{}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := users.Authenticate(t.Context(), authn.Credentials{Account: tt.account, Password: "whatever"}); !errors.Is(err, tt.want) {
			t.Errorf("Authenticate(%s), any %v = %v, want %v", tt.account, tt.any, err, tt.want)
		}
		if _, err := users.Find(t.Context(), tt.account); !errors.Is(err, tt.wantFound) {
			t.Errorf("Find(%s), any %v = %v, want %v", tt.account, tt.any, err, tt.wantFound)
		}
	}
}

// TestErrorsNameTheRow, and nothing that is in it.
func TestErrorsNameTheRow(t *testing.T) {
	users := newUsers(t)
	for account, want := range map[string]string{
		"clear":  `xorm_user: the newest row of "clear": password_hash: is not a bcrypt hash`,
		"locked": `xorm_user: the newest row of "locked": password_hash: is not a bcrypt hash`,
		"broken": `xorm_user: the newest row of "broken": labels: are not like`,
	} {
		_, err := users.Authenticate(t.Context(), authn.Credentials{Account: account, Password: "secret"})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "$2") {
			t.Errorf("Authenticate(%s) = %v, want %s", account, err, want)
		}
	}
}

var labelTests = []struct {
	data string
	want authn.Labels
	ok   bool
}{
	{"", nil, true},
	{" null ", nil, true},
	{"{}", authn.Labels{}, true},
	{`{"a": []}`, authn.Labels{}, true},
	{`{"a": null}`, authn.Labels{}, true}, // as xorm writes a list that is nil
	{`{"a": ["x*"]}`, authn.Labels{"a": {{Value: "x*", Pattern: true}}}, true},
	{`{"a": ["x"], "A": ["y"]}`, authn.Labels{"a": {{Value: "x", Pattern: true}}, "A": {{Value: "y", Pattern: true}}}, true},
	{`{"a": ["x"], "a": ["y"]}`, nil, false},
	{`{"a": ["` + strings.Repeat("x", mostLabels) + `"]}`, nil, false},
	{strings.Repeat(`{"a":`, 100_000), nil, false},
	{`{"a": [null]}`, nil, false},
	{`{"a": "x"}`, nil, false},
	{`{"a": [1]}`, nil, false},
	{`{"": ["x"]}`, nil, false},
	{`["a"]`, nil, false},
	{`{"a": ["x"]`, nil, false},
	{`{"a": ["x"]} {}`, nil, false},
}

func TestReadLabels(t *testing.T) {
	for _, tt := range labelTests {
		got, err := readLabels([]byte(tt.data))
		if (err == nil) != tt.ok || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("readLabels(%.100s) = %v, %v; want %v", tt.data, got, err, tt.want)
		}
	}
}

// TestLettersThatCannotBe: what a database says of a name that no row can have
// is no trouble of the database.
func TestLettersThatCannotBe(t *testing.T) {
	mixed, untranslatable := &mysql.MySQLError{Number: 1267}, &pgconn.PgError{Code: "22P05"}
	for _, tt := range []struct {
		dialect dialect
		name    string
		err     error
		want    bool
	}{
		{mysqlDialect, "😀", mixed, true},
		{mysqlDialect, "alice", mixed, false}, // which is another trouble
		{mysqlDialect, "😀", untranslatable, false},
		{mysqlDialect, "😀", &mysql.MySQLError{Number: 1045}, false},
		{postgresDialect, "😀", untranslatable, true},
		{postgresDialect, "😀", &pgconn.PgError{Code: "28P01"}, false},
		{sqliteDialect, "😀", mixed, false},
	} {
		u := &Users{database: &database{dialect: tt.dialect}}
		if got := u.cannotHold(tt.name, fmt.Errorf("query: %w", tt.err)); got != tt.want {
			t.Errorf("cannotHold(%s, %v) = %v", tt.name, tt.err, got)
		}
	}
}
