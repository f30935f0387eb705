package sqldb

import (
	"context"
	"crypto/x509"
	"errors"
	"slices"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
)

// mysqlOf is what the driver is told.
func mysqlOf(t *testing.T, text string) *mysql.Config {
	t.Helper()
	cfg, err := mysql.ParseDSN(text)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

var sqlitePathTests = []struct{ text, want string }{
	{"auth.db", "auth.db"},
	{"/a/b%20c.db?_fk=1", "/a/b%2520c.db"},
	{"file:auth.db?mode=rwc", "auth.db"},
	{"file:/a/b%20c%3f.db", "/a/b c%3f.db"},
	{"file:///a/b.db", "/a/b.db"},
	{"file://localhost/a/b.db", "/a/b.db"},
	{"/a/#1.db", "/a/%231.db"},
}

func TestSQLitePath(t *testing.T) {
	for _, tt := range sqlitePathTests {
		if got, err := pathOf(tt.text); err != nil || escapePath(got) != tt.want {
			t.Errorf("pathOf(%s) = %s, %v; want %s", tt.text, escapePath(got), err, tt.want)
		}
	}
}

var waysTests = []struct {
	text string
	want []string // host, and + for TLS
}{
	{"postgres://u@a/d", []string{"a+"}},
	{"postgres://u@a/d?sslmode=prefer", []string{"a+"}},
	{"postgres://u@a/d?sslmode=allow", []string{"a+"}},
	{"postgres://u@a/d?sslmode=disable", []string{"a"}},
	{"postgres://u@a,b/d", []string{"a+", "b+"}},
	{"postgres://u@a,b/d?sslmode=disable", []string{"a", "b"}},
	{"dbname=d user=u", []string{"localhost+"}}, // as lib/pq has it
	{"host=/run/postgresql dbname=d user=u", []string{"/run/postgresql"}},
	{"host=/run/postgresql,b dbname=d user=u", []string{"/run/postgresql", "b+"}},
}

// TestPostgresIsEncrypted where lib/pq, which docker_auth has, is.
func TestPostgresIsEncrypted(t *testing.T) {
	for _, tt := range waysTests {
		cfg, err := readPostgres(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range waysOf(cfg) {
			way := w.Host
			if w.TLSConfig != nil {
				way += "+"
			}
			if len(got) == 0 || got[len(got)-1] != way { // both families of addresses
				got = append(got, way)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s leads to %v, want %v", tt.text, got, tt.want)
		}
	}
}

// TestParametersOfAnotherDriver are not sent to the server, and others are.
func TestParametersOfAnotherDriver(t *testing.T) {
	cfg, err := readPostgres("postgres://u@a/d?binary_parameters=yes&search_path=x&fallback_application_name=docker_auth&client_encoding=latin1&default_query_exec_mode=simple_protocol")
	if err != nil || len(cfg.RuntimeParams) != 2 || cfg.RuntimeParams["search_path"] != "x" || cfg.RuntimeParams["client_encoding"] != "UTF8" || cfg.DefaultQueryExecMode != pgx.QueryExecModeExec {
		t.Errorf("the server is told %v (%v)", cfg.RuntimeParams, err)
	}
}

// TestCAIsChecked whatever the conn string says.
func TestParametersThatCanBeAbused(t *testing.T) {
	cfg, err := readMySQL("u@tcp(a:1)/d?multiStatements=true&interpolateParams=true&allowOldPasswords=true")
	if err != nil || cfg.MultiStatements || cfg.InterpolateParams || cfg.AllowOldPasswords {
		t.Errorf("the driver is told %+v (%v)", cfg, err)
	}
}

func TestCAIsChecked(t *testing.T) {
	roots := x509.NewCertPool()
	cfg, err := pgx.ParseConfig("postgres://u@a/d?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	verified(cfg, roots)
	for _, w := range waysOf(cfg) {
		if w.TLSConfig == nil || w.TLSConfig.RootCAs != roots || w.TLSConfig.ServerName != "a" || w.TLSConfig.InsecureSkipVerify {
			t.Errorf("postgres: %+v", w.TLSConfig)
		}
	}
	for _, text := range []string{"u@tcp(a:1)/d", "u@tcp(a:1)/d?tls=skip-verify", "u@tcp(a:1)/d?tls=preferred"} {
		cfg := verifiedMySQL(mysqlOf(t, text), "a", roots)
		if c := cfg.TLS; c == nil || c.RootCAs != roots || c.ServerName != "a" || c.InsecureSkipVerify || cfg.AllowFallbackToPlaintext {
			t.Errorf("%s: %+v", text, c)
		}
	}
}

func TestBroken(t *testing.T) {
	why := errors.New("why")
	if _, err := (broken{why}).Connect(context.Background()); !errors.Is(err, why) {
		t.Errorf("Connect() = %v", err)
	}
}
