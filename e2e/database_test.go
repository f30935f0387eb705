package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/e2e/testbed"
	"github.com/regate/regate/e2e/tool"
)

const databasePassword = "Gate-in-the-database-5"

// A database is a real one, which may be stopped and locked.
type database interface {
	SQL(t testing.TB, statements string)
	Lock(t testing.TB, table string, long time.Duration)
	Stop(testing.TB)
	Launch(testing.TB)
}

// databases are all kinds, each with its heading in docs/databases.md, and how
// the gate gets at it.
var databases = []struct {
	heading string
	start   func(testing.TB) (db database, connString, ca string)
	slow    string // what the log says when it does not answer
}{
	{"PostgreSQL", func(t testing.TB) (database, string, string) {
		p := testbed.StartPostgres(t)
		return p, "postgres://regate:" + databasePassword + "@" + p.Addr + "/docker_auth", p.CA.File
	}, "xorm_user: no answer within 2s"},
	{"MySQL and MariaDB", func(t testing.TB) (database, string, string) {
		m := testbed.StartMariaDB(t)
		return m, "regate:" + databasePassword + "@tcp(" + m.Addr + ")/docker_auth", m.CA.File
	}, "xorm_user: no answer within 2s"},
	{"SQLite", func(t testing.TB) (database, string, string) {
		s := testbed.NewSQLite(t)
		return s, s.File, ""
	}, "xorm_user: database is locked"},
}

// TestDatabases makes the tables as docs/databases.md says, and configures the
// gate with the example there.
func TestDatabases(t *testing.T) {
	t.Parallel()
	for _, kind := range databases {
		t.Run(kind.heading, func(t *testing.T) {
			t.Parallel()
			db, conn, ca := kind.start(t)
			docs := databaseDocs(t)
			db.SQL(t, strings.ReplaceAll(docs.block(t, kind.heading, "sql"), "the-password", databasePassword))
			db.SQL(t, docs.accounts(t))
			db.SQL(t, docs.block(t, "Rules", "sql"))
			s := startDirectory(t, databaseConfig(t, docs.block(t, kind.heading, "yaml"), conn, ca), engines{docker: testbed.StartDocker(t)})
			s.worksInDatabase(t)
			s.followsDatabase(t, db)
			s.keepsRules(t, db)
			s.databaseInTrouble(t, db, kind.slow)
		})
	}
}

// A page is a document by its headings.
type page map[string]string

func databaseDocs(t *testing.T) page {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tool.Root(), "docs", "databases.md"))
	must(t, err)
	p := page{}
	for _, part := range strings.Split(string(text), "\n## ")[1:] {
		heading, body, _ := strings.Cut(part, "\n")
		p[heading] = body
	}
	return p
}

// block is the first block of code in a language below a heading.
func (p page) block(t *testing.T, heading, language string) string {
	t.Helper()
	_, text, ok := strings.Cut(p[heading], "```"+language+"\n")
	text, _, closed := strings.Cut(text, "```")
	if !ok || !closed {
		t.Fatalf("docs/databases.md has no %s below %q", language, heading)
	}
	return text
}

// accounts are those of the document, with hashes, and more that differ in
// what is wrong with them.
func (p page) accounts(t *testing.T) string {
	t.Helper()
	hash := testbed.Bcrypt(t, bobPassword)
	text := p.block(t, "Accounts", "sql")
	text = strings.Replace(text, "$2y$10$…", testbed.Bcrypt(t, alicePassword), 1)
	text = strings.Replace(text, "$2y$10$…", hash, 1)
	text += fmt.Sprintf("INSERT INTO xorm_user (username, password_hash, labels) VALUES ('twice', '%s', NULL);\n", testbed.Bcrypt(t, alicePassword))
	for name, row := range map[string]string{
		"carol": hash + "', NULL", "dave": hash + "', NULL", "erin": hash + "', NULL", "twice": hash + "', NULL",
		"closed": "', NULL", "marked": "!" + hash + "', NULL", "broken": hash + `', '{"team": "web"}'`,
	} {
		text += fmt.Sprintf("INSERT INTO xorm_user (username, password_hash, labels) VALUES ('%s', '%s);\n", name, row)
	}
	return text
}

// databaseConfig is the example with the address of a real database, the users
// of all tests, and times that a test can wait for.
func databaseConfig(t *testing.T, yaml, conn, ca string) string {
	t.Helper()
	file := filepath.Join(testbed.Dir(t), "database")
	save(t, file, conn+"\n")
	yaml = regexp.MustCompile(`conn_string_file: .*`).ReplaceAllString(yaml, "conn_string_file: "+file)
	yaml = regexp.MustCompile(`conn_string: .*`).ReplaceAllString(yaml, "conn_string: "+conn)
	yaml = regexp.MustCompile(`ca: .*`).ReplaceAllString(yaml, "ca: "+ca)
	yaml = regexp.MustCompile(`cache_ttl: .*`).ReplaceAllString(yaml, "cache_ttl: 1s")
	yaml = regexp.MustCompile(`( +)(database_type: .*)`).ReplaceAllString(yaml, "${1}${2}\n${1}timeout: 2s")
	return strings.Replace(yaml, "auth:\n", fmt.Sprintf("auth:\n  login_limits: {exempt: [0.0.0.0/0]} # a wrong password is asked about again and again\n"+
		"  users: {\"dev\": {password: %q}}\n", testbed.Bcrypt(t, devPassword)), 1)
}

// worksInDatabase: alice pushes for her team with docker, and nobody gets in
// who is not written like that.
func (s *site) worksInDatabase(t *testing.T) {
	t.Helper()
	for _, name := range []string{"docker", "crane"} {
		alice := s.client(t, name)
		must(t, alice.Login("alice", alicePassword))
		digest, err := alice.Push("web/"+name, version)
		must(t, err)
		if got, err := alice.Pull("web/" + name + ":" + version); err != nil || got != digest {
			t.Errorf("%s: pull: %s, %v; want %s", name, got, err, digest)
		}
	}
	if err := s.client(t, "docker").Login("alice", "not-her-password"); err == nil || !strings.Contains(err.Error(), "unauthorized") {
		t.Errorf("docker login with a wrong password: %v", err)
	}
	if scope := s.scope(t, "bob", bobPassword, "repository:web/app:pull repository:pub/app:pull,push"); scope != "repository:pub/app:pull" {
		t.Errorf("somebody of no team is granted %q", scope)
	}
	s.refuses(t, []refused{
		{"a wrong password", "alice", "not-her-password", "wrong password"},
		{"an unknown user", "mallory", "not-her-password", "unknown user"},
		{"another case", "ALICE", alicePassword, "unknown user"},
		{"a space more", "alice ", alicePassword, "unknown user"},
		{"everybody", "%", alicePassword, "unknown user"},
		{"more than a name", "x' OR 'x'='x", alicePassword, "unknown user"},
		{"a letter that no column has", "\U0001F600", alicePassword, "unknown user"},
		{"a closed account", "closed", bobPassword, "the account has none"},
		{"an older row", "twice", alicePassword, "wrong password"},
	})
	if status, _ := s.login(t, "twice", bobPassword, ""); status != 200 {
		t.Errorf("the newest row gets %d", status)
	}
	s.inTrouble(t, trouble{"malformed labels", "broken", "labels: are not like"})
	s.inTrouble(t, trouble{"no hash", "marked", "is not a bcrypt hash"})
}

// followsDatabase: a rule acts when it has been read, and an account at once.
func (s *site) followsDatabase(t *testing.T, db database) {
	t.Helper()
	if scope := s.scope(t, "carol", bobPassword, "repository:new/app:pull"); scope != "" {
		t.Errorf("without a rule: %q", scope)
	}
	db.SQL(t, `INSERT INTO xorm_acl_entry (seq, acl_entry) VALUES (40, '{"Match": {"account": "carol"}, "Actions": ["pull"], "Comment": null}')`)
	eventually(t, "a new rule", func() bool {
		return s.scope(t, "carol", bobPassword, "repository:new/app:pull") == "repository:new/app:pull"
	})
	db.SQL(t, `INSERT INTO xorm_acl_entry (seq, acl_entry) VALUES (5, '{"match": {"account": "carol"}, "actions": []}')`)
	eventually(t, "a rule before it", func() bool { return s.scope(t, "carol", bobPassword, "repository:new/app:pull") == "" })
}

// keepsRules: one that is misspelt keeps the others out that are new.
func (s *site) keepsRules(t *testing.T, db database) {
	t.Helper()
	db.SQL(t, `DELETE FROM xorm_acl_entry WHERE seq = 5`)
	eventually(t, "a rule that is gone", func() bool { return s.scope(t, "carol", bobPassword, "repository:new/app:pull") != "" })
	db.SQL(t, `INSERT INTO xorm_acl_entry (seq, acl_entry) VALUES (6, '{"match": {"acount": "carol"}, "actions": []}'), (1, '{"match": {}, "actions": ["*"]}')`)
	eventually(t, "a word about it", func() bool {
		return strings.Contains(s.gate.Log(), "rules cannot be read; those that were read last stay")
	})
	if scope := s.scope(t, "bob", bobPassword, "repository:web/app:pull repository:new/app:pull"); scope != "" {
		t.Errorf("beside a misspelt rule: %q", scope)
	}
	if n := strings.Count(s.gate.Log(), `the rule with seq 6: match: unknown field \"acount\"`); n != 1 {
		t.Errorf("it is said %d times", n)
	}
	db.SQL(t, `DELETE FROM xorm_acl_entry WHERE seq IN (1, 6)`)
	eventually(t, "a word that it is over", func() bool {
		_, after, _ := strings.Cut(s.gate.Log(), "unknown field")
		return strings.Contains(after, `"rules read"`)
	})
}

// databaseInTrouble: whom the file knows, and what rules decide that were read,
// does not notice; not even when the gate is reloaded.
func (s *site) databaseInTrouble(t *testing.T, db database, slow string) {
	t.Helper()
	db.Lock(t, "xorm_user", 6*time.Second)
	eventually(t, "a lock", func() bool { status, _ := s.login(t, "dave", "not-his-password", ""); return status == 503 })
	s.inTrouble(t, trouble{"locked", "dave", slow})
	s.recovers(t, "dave")

	db.Stop(t)
	s.inTrouble(t, trouble{"down", "erin", "xorm_user: "})
	s.reload(t, "level: debug", "level: info")
	s.inTrouble(t, trouble{"down, after a reload", "erin", "xorm_user: "})
	if scope := s.scope(t, "dev", devPassword, "repository:pub/app:pull repository:web/app:pull"); scope != "repository:pub/app:pull" {
		t.Errorf("by rules of a database that is down, a user of the file is granted %q", scope)
	}
	db.Launch(t)
	s.recovers(t, "erin")
}

// TestStartWithoutDatabase: what needs the database waits, and nothing else.
func TestStartWithoutDatabase(t *testing.T) {
	t.Parallel()
	conn := "regate:" + databasePassword + "@tcp(127.0.0.1:1)/docker_auth"
	config := databaseConfig(t, "auth:\n  xorm_auth:\n    database_type: mysql\n    conn_string_file: x\n"+
		"  acl: [{match: {account: dev, name: team/*}, actions: [pull]}]\n  acl_xorm:\n    database_type: mysql\n    conn_string_file: x\n    cache_ttl: x\n", conn, "")
	s := startDirectory(t, config, engines{})
	if scope := s.scope(t, "dev", devPassword, "repository:team/app:pull"); scope != "repository:team/app:pull" {
		t.Errorf("what a rule of the file decides: %q", scope)
	}
	if status, body := s.login(t, "dev", devPassword, "repository:team/app:pull repository:pub/app:pull"); status != 503 {
		t.Errorf("what no rule of the file decides: %d %s", status, body)
	}
	s.inTrouble(t, trouble{"not there", "erin", "rules cannot be read, so nobody gets a token"})
}
