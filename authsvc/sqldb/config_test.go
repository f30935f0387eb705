package sqldb

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/problem"
)

var validateTests = []struct {
	name string
	cfg  Connection
	want string // "" is none
	only bool   // warnings
}{
	{"nothing", Connection{}, "database_type: is missing: mysql (for MariaDB too), postgres or sqlite3\nconn_string: is missing, and conn_string_file too", false},
	{"another database", Connection{DatabaseType: "oracle", ConnString: "x"}, `database_type: "oracle" is none of mysql (for MariaDB too), postgres and sqlite3`, false},
	{"both", Connection{DatabaseType: SQLite, ConnString: "x", ConnStringFile: "y"}, "conn_string_file: stands beside conn_string: give one of them", false},
	{"file", Connection{DatabaseType: MySQL, ConnStringFile: "y"}, "", false},
	{"found wrong by the reader", Connection{DatabaseType: MySQL, ConnString: "?"}, "", false},
	{"numbers", Connection{DatabaseType: SQLite, ConnString: "x", Timeout: time.Hour, Connections: -1, CA: "y"},
		"ca: has no meaning for sqlite3, which is a file\ntimeout: 1h0m0s is not between 100ms and 1m0s\nconnections: -1 is not between 1 and 1000", false},
}

func TestValidate(t *testing.T) {
	for _, tt := range validateTests {
		if got := message(tt.cfg.Validate()); got != tt.want {
			t.Errorf("%s: Validate() =\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
	zero := time.Duration(0)
	cfg := RulesConfig{Connection: Connection{DatabaseType: SQLite, ConnString: "x"}, Refresh: acl.Refresh{CacheTTL: &zero}}
	if got := message(cfg.Validate()); !strings.HasPrefix(got, "cache_ttl: 0s is no time") {
		t.Errorf("Validate() = %s", got)
	}
	var l problem.List
	users := UsersConfig{Connection{DatabaseType: SQLite}, true}
	if err := users.Validate(); !errors.As(err, &l) || len(l) != 2 || !l.Fatal() || !strings.Contains(err.Error(), "any_password: anybody gets in") {
		t.Errorf("Validate() = %v", err)
	}
	users.ConnString = "x"
	if err := users.Validate(); !errors.As(err, &l) || len(l) != 1 || l.Fatal() {
		t.Errorf("Validate() = %v, want a warning", err)
	}
}

const (
	noTLS     = "conn_string: has no tls=true"
	noSSLMode = "conn_string: has sslmode=disable"
)

// The forms are those that people have in their files for docker_auth.
var connStringTests = []struct {
	kind, text, want string
}{
	{MySQL, "gate:hunter2@tcp(127.0.0.1:3306)/auth", ""},
	{MySQL, "gate:hunter2@tcp(localhost)/auth?charset=utf8mb4&parseTime=True&loc=Local", ""},
	{MySQL, "gate:hunter2@unix(/run/mysqld/mysqld.sock)/auth", ""},
	{MySQL, "gate:hunter2@/auth", ""},
	{MySQL, "gate:hunter2@tcp(db.example.com:3306)/auth", noTLS},
	{MySQL, "gate:hunter2@tcp(db.example.com:3306)/auth?tls=skip-verify", noTLS},
	{MySQL, "gate:hunter2@tcp(db.example.com:3306)/auth?tls=preferred", noTLS},
	{MySQL, "gate:hunter2@tcp(db.example.com:3306)/auth?tls=true", ""},
	{MySQL, "gate:hunter2@tcp(127.0.0.1:3306)/auth?multiStatements=true&interpolateParams=true", ""},
	{MySQL, "gate:hunter2@tcp(127.0.0.1:3306)/auth?allowAllFiles=true", "conn_string: has allowAllFiles"},
	{MySQL, "gate:hunter2@tcp(127.0.0.1:3306)/", "conn_string: is no USER:PASSWORD@tcp(HOST:3306)/DATABASE"},
	{MySQL, "gate:hunter2@tcp(127.0.0.1:3306)", "conn_string: is no USER:PASSWORD@tcp(HOST:3306)/DATABASE"},
	{MySQL, "gate@hunter2(x)/y?tls=hunter2", "conn_string: is no USER:PASSWORD@tcp(HOST:3306)/DATABASE"},
	{MySQL, "postgres://gate:hunter2@h/auth", "conn_string: is no USER:PASSWORD@tcp(HOST:3306)/DATABASE"},

	{Postgres, "postgres://gate:hunter2@127.0.0.1:5432/auth", ""},
	{Postgres, "postgresql://gate:hunter2@db.example.com/auth?sslmode=verify-full", ""},
	{Postgres, "postgres://gate:hunter2@db.example.com/auth", ""},
	{Postgres, "postgres://gate:hunter2@db.example.com/auth?sslmode=disable", noSSLMode},
	{Postgres, "postgres://gate:hunter2@localhost/auth?sslmode=disable", ""},
	{Postgres, "dbname=auth user=gate password=hunter2 host=db.example.com sslmode=disable", noSSLMode},
	{Postgres, "dbname=auth user=gate host=/run/postgresql", ""},
	{Postgres, "postgres://gate:hunter2@h:port/auth", "conn_string: is neither postgres://USER:PASSWORD@"},
	{Postgres, "gate:hunter2@tcp(127.0.0.1:3306)/auth", "conn_string: is neither postgres://USER:PASSWORD@"},
	{Postgres, "host=h password=hunter2 sslmode=hunter2", "conn_string: is neither postgres://USER:PASSWORD@"},
	{Postgres, "postgres://gate:hunter2@/auth", "conn_string: names no host"},
	{Postgres, "postgres://gate:hunter2@/auth?host=/run/postgresql", ""},
	{Postgres, "postgres://gate:hunter2@h/auth?sslmode=verify-ca&sslrootcert=/nowhere/ca.pem", "conn_string: open /nowhere/ca.pem: no such file"},
	{Postgres, " ", "conn_string: is neither postgres://USER:PASSWORD@"},

	{SQLite, "/var/lib/auth.db", ""},
	{SQLite, "auth.db?_fk=1", ""},
	{SQLite, "file:auth.db?cache=shared&mode=rwc", ""},
	{SQLite, ":memory:", "conn_string: is no file, and a database in memory is empty"},
	{SQLite, "file::memory:?cache=shared", "conn_string: is no file"},
	{SQLite, "file:auth.db?mode=memory", "conn_string: is no file"},
	{SQLite, "?_fk=1", "conn_string: is no file"},
	{SQLite, "file://host", "conn_string: is no file"},
	{SQLite, "file:a%", "conn_string: is no file:PATH"},
	{SQLite, "a\x00b", "conn_string: has a zero byte"},
}

// TestConnString: what is wrong is said without the password in it.
func TestConnString(t *testing.T) {
	for _, tt := range connStringTests {
		err := Connection{DatabaseType: tt.kind, ConnString: authn.Secret(tt.text)}.Validate()
		got := message(err)
		if (tt.want == "") != (got == "") || !strings.HasPrefix(got, tt.want) || strings.Contains(got, "hunter2") {
			t.Errorf("Validate() of %s = %q, want %q", tt.text, got, tt.want)
		}
		var l problem.List
		if warns := tt.want == noTLS || tt.want == noSSLMode; warns && (!errors.As(err, &l) || l.Fatal()) {
			t.Errorf("Validate() of %s is no warning", tt.text)
		}
		if withCA := (Connection{DatabaseType: tt.kind, ConnString: authn.Secret(tt.text), CA: "x"}); tt.want == noTLS || tt.want == noSSLMode {
			if err := withCA.Validate(); err != nil {
				t.Errorf("Validate() of %s with a CA = %v", tt.text, err)
			}
		}
	}
}

func TestHasPassword(t *testing.T) {
	for _, tt := range []struct {
		kind, text string
		want       bool
	}{
		{MySQL, "gate:hunter2@tcp(h:3306)/auth", true},
		{MySQL, "gate@unix(/run/mysqld/mysqld.sock)/auth", false},
		{MySQL, "gate:hunter2@h", true},
		{Postgres, "postgres://gate:hunter2@h/auth", true},
		{Postgres, "user=gate password=hunter2", true},
		{Postgres, "postgres://gate@h/auth?sslcert=a&sslkey=b", true}, // whose files are not here
		{Postgres, "postgres://gate@h/auth", false},
		{SQLite, "auth.db", false},
		{"oracle", "x", true},
	} {
		if got := (Connection{DatabaseType: tt.kind, ConnString: authn.Secret(tt.text)}).HasPassword(); got != tt.want {
			t.Errorf("HasPassword() of %s %s = %v", tt.kind, tt.text, got)
		}
	}
}
