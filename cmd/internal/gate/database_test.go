package gate

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/sqldb"
	"github.com/regate/regate/configs"
)

// newDatabase makes an SQLite file with docker_auth's tables, and returns its
// path and who may write to it.
func newDatabase(t *testing.T) (path string, db *sql.DB) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "auth.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	change(t, db, "CREATE TABLE xorm_user (id INTEGER PRIMARY KEY, username TEXT, password_hash TEXT, labels TEXT)")
	change(t, db, "CREATE TABLE xorm_acl_entry (acl_entry TEXT, seq INTEGER)")
	return path, db
}

func change(t *testing.T, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Exec(query, args...); err != nil {
		t.Fatal(err)
	}
}

// withDatabase is the usual configuration with accounts and rules of a file.
func withDatabase(t *testing.T, path string) string {
	t.Helper()
	return changed(t, config(t, "http://127.0.0.1:1", ""), "auth:\n", fmt.Sprintf(`auth:
  xorm_auth: {database_type: sqlite3, conn_string: %q}
  acl_xorm: {database_type: sqlite3, conn_string: %[1]q, cache_ttl: 1s}
`, path))
}

// granted asks for a token, and returns what it is good for.
func (g *running) granted(account, scope string) (status int, granted string) {
	g.t.Helper()
	status, body, _ := g.get("https", "/auth?service=registry&scope="+url.QueryEscape(scope), "Authorization", basicOf(account, "secret"))
	var reply struct{ Scope string }
	_ = json.Unmarshal([]byte(body), &reply)
	return status, reply.Scope
}

// TestRulesOutliveTheirDatabase: they are followed while it is there, and stay
// when it is not, over a reload that leaves it alone; not over one that names
// another.
func TestRulesOutliveTheirDatabase(t *testing.T) {
	t.Parallel()
	path, db := newDatabase(t)
	change(t, db, "INSERT INTO xorm_user (username, password_hash, labels) VALUES ('alice', ?, ?)", devHash, `{"team": ["web"]}`)
	change(t, db, "INSERT INTO xorm_acl_entry VALUES (?, 1)", `{"match": {"name": "${labels:team}/*"}, "actions": ["pull"]}`)
	g := start(t, withDatabase(t, path))
	const want = "repository:web/app:pull"
	if status, got := g.granted("alice", want); status != 200 || got != want {
		t.Fatalf("alice gets %d %q", status, got)
	}
	change(t, db, "INSERT INTO xorm_acl_entry VALUES (?, 0)", `{"match": {"account": "alice", "name": "*/closed"}, "actions": []}`)
	g.until("a new rule", func() bool { _, got := g.granted("alice", "repository:web/closed:pull"); return got == "" })

	rename(t, path, path+".away")
	g.reloads("cache_ttl: 1s", "cache_ttl: 2s")
	if status, got := g.granted("alice", want+" repository:web/closed:pull"); status != 200 || got != want {
		t.Errorf("without its database, alice gets %d %q", status, got)
	}
	if status, _ := g.granted("mallory", want); status != 503 {
		t.Errorf("who might be in it gets %d", status)
	}
	g.reloads(fmt.Sprintf("acl_xorm: {database_type: sqlite3, conn_string: %q", path), `acl_xorm: {database_type: sqlite3, conn_string: "/nowhere/auth.db"`)
	if status, got := g.granted("alice", want); status != 503 {
		t.Errorf("with rules of another database, alice gets %d %q", status, got)
	}
}

// reloads has the gate load a changed configuration.
func (g *running) reloads(old, with string) {
	g.t.Helper()
	before := g.count(`"reloaded"`)
	g.edit(old, with)
	g.until("a reload", func() bool { return g.count(`"reloaded"`) > before })
}

func (g *running) count(text string) int {
	log, err := os.ReadFile(g.log)
	if err != nil {
		g.t.Fatal(err)
	}
	return strings.Count(string(log), text)
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// TestDatabaseInTheChain is after directories, and its rules are after those of
// the file, and before a program (docker-auth.md 1.3, 1.6).
func TestDatabaseInTheChain(t *testing.T) {
	t.Parallel()
	file, _ := newDatabase(t)
	_, p := startOpen(t, changed(t, withDatabase(t, file), "auth:\n", `auth:
  ldap_auth: {addr: "127.0.0.1:1", base: dc=x, filter: "(uid=${account})"}
  ext_authz: {command: /bin/true}
`))
	g := p.board.live.Load()
	var users, rules []string
	for _, asked := range g.users {
		users = append(users, fmt.Sprintf("%T", asked))
	}
	for _, asked := range g.rules {
		rules = append(rules, fmt.Sprintf("%T", asked))
	}
	if want := []string{"*static.Users", "*ldap.Directory", "*sqldb.Users"}; !slices.Equal(users, want) {
		t.Errorf("the chain is %v, want %v", users, want)
	}
	if want := []string{"*acl.List", "*acl.Follower", "*ext.Rules"}; !slices.Equal(rules, want) {
		t.Errorf("the deciders are %v, want %v", rules, want)
	}
}

// TestCheckReadsFilesOfDatabases, and connects to none.
func TestCheckReadsFilesOfDatabases(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "conn"), "gate:hunter2@tcp(127.0.0.1:3306)\n")
	path := changed(t, config(t, "http://127.0.0.1:1", ""), "auth:\n", fmt.Sprintf(`auth:
  xorm_auth: {database_type: mysql, conn_string_file: %q}
  acl_xorm: {database_type: postgres, conn_string: "host=127.0.0.1", ca: /nowhere/ca.pem}
`, filepath.Join(dir, "conn")))
	loaded, err := configs.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want := path + ":6: auth.xorm_auth.conn_string_file: is no USER:PASSWORD@tcp(HOST:3306)/DATABASE\n" +
		path + ":7: auth.acl_xorm.ca: open /nowhere/ca.pem: no such file or directory"
	if err := Check(loaded); err == nil || err.Error() != want {
		t.Errorf("Check() = %v, want %s", err, want)
	}
}

// TestRulesAreOfTheSameDatabase: cache_ttl and timeout do not make another.
func TestRulesAreOfTheSameDatabase(t *testing.T) {
	t.Parallel()
	was := sqldb.RulesConfig{Connection: sqldb.Connection{DatabaseType: sqldb.MySQL, ConnString: "a", ConnStringFile: "b", CA: "c"}}
	ttl := time.Hour
	file := &configs.File{}
	for name, tt := range map[string]struct {
		change func(*sqldb.RulesConfig)
		want   bool
	}{
		"nothing":          {func(*sqldb.RulesConfig) {}, true},
		"cache_ttl":        {func(c *sqldb.RulesConfig) { c.Refresh = acl.Refresh{CacheTTL: &ttl} }, true},
		"timeout":          {func(c *sqldb.RulesConfig) { c.Timeout = ttl }, true},
		"database_type":    {func(c *sqldb.RulesConfig) { c.DatabaseType = sqldb.SQLite }, false},
		"conn_string":      {func(c *sqldb.RulesConfig) { c.ConnString = "x" }, false},
		"conn_string_file": {func(c *sqldb.RulesConfig) { c.ConnStringFile = "x" }, false},
		"ca":               {func(c *sqldb.RulesConfig) { c.CA = "x" }, false},
	} {
		is := was
		tt.change(&is)
		if got := sameRules(&was, &is, file, file); got != tt.want {
			t.Errorf("%s changed, and the rules are the same: %v", name, got)
		}
	}
	if sameRules(nil, &was, file, file) {
		t.Error("there were none, and the rules are the same")
	}
}
