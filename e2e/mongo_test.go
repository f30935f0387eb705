package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/regate/regate/e2e/testbed"
	"github.com/regate/regate/e2e/tool"
)

const mongoPassword = "Gate-in-the-collection-5"

// mongoPerson is a document of mongo_auth.
func mongoPerson(t testing.TB, name, password, more string) string {
	t.Helper()
	return fmt.Sprintf(`{"username": %q, "password": %q%s}`, name, testbed.Bcrypt(t, password), more)
}

// mongoExample is the configuration in docs/mongodb.md, with other servers and
// files, and the users of all tests.
func mongoExample(t *testing.T, f *testbed.FerretDB) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tool.Root(), "docs", "mongodb.md"))
	must(t, err)
	password := filepath.Join(testbed.Dir(t), "password")
	save(t, password, mongoPassword+"\n")
	_, yaml, _ := strings.Cut(string(text), "```yaml\n")
	yaml, _, _ = strings.Cut(yaml, "```")
	for key, with := range map[string]string{"addrs": "[" + f.TLS + "]", "password_file": password, "ca_certificate": f.CA.File, "cache_ttl": "1s"} {
		line := regexp.MustCompile(`(?m)` + key + `: .*$`)
		if !line.MatchString(yaml) {
			t.Fatalf("docs/mongodb.md has no example with %s", key)
		}
		yaml = line.ReplaceAllString(yaml, key+": "+with)
	}
	return strings.Replace(yaml, "auth:\n", fmt.Sprintf("auth:\n  users: {\"dev\": {password: %q}}\n", testbed.Bcrypt(t, devPassword)), 1)
}

// mongoRules are those of the documentation, in another order.
var mongoRules = []string{
	`{"seq": 20, "match": {"account": "/.+/", "name": "${labels:group}/*"}, "actions": ["pull", "push"]}`,
	`{"seq": 10.0, "match": {"labels": {"group": "admins"}}, "actions": ["*"]}`,
	`{"seq": 15, "match": {"name": "shop/closed"}, "actions": []}`,
}

// startMongo starts a database with people in it, and a gate before a registry.
func startMongo(t *testing.T, e engines) (*testbed.FerretDB, *site) {
	t.Helper()
	f := testbed.StartFerretDB(t)
	f.AddUser(t, "gate", mongoPassword)
	f.Holds(t, "users",
		mongoPerson(t, "alice", alicePassword, `, "labels": {"group": ["admins"]}`),
		mongoPerson(t, "bob", bobPassword, `, "labels": {"group": ["shop", "lab-*"]}, "since": {"$date": "2026-01-01T00:00:00Z"}`),
		mongoPerson(t, "carol", bobPassword, ""), mongoPerson(t, "dave", bobPassword, ""), mongoPerson(t, "erin", bobPassword, ""), mongoPerson(t, "frank", bobPassword, ""),
		`{"username": "open"}`, `{"username": "number", "password": 7}`, `{"username": "plain", "password": "Plain-in-the-collection-6"}`,
		mongoPerson(t, "twin", bobPassword, ""), mongoPerson(t, "twin", bobPassword, ""),
	)
	f.Holds(t, "acl", mongoRules...)
	return f, startDirectory(t, mongoExample(t, f), e)
}

// TestMongo logs people in with the example of the documentation, and has them
// do what the documents say.
func TestMongo(t *testing.T) {
	t.Parallel()
	f, s := startMongo(t, engines{docker: testbed.StartDocker(t)})
	alice := s.client(t, "docker")
	must(t, alice.Login("alice", alicePassword))
	digest, err := alice.Push("anything/app", version)
	must(t, err)
	if got, err := alice.Pull("anything/app:" + version); err != nil || got != digest {
		t.Errorf("pull: %s, %v; want %s", got, err, digest)
	}
	for name, want := range map[string]string{
		"shop/app":    "repository:shop/app:pull,push",
		"lab-1/app":   "repository:lab-1/app:pull,push", // the operator wrote the *
		"shop/closed": "",                               // in the order of seq
		"other/app":   "",
	} {
		if scope := s.scope(t, "bob", bobPassword, "repository:"+name+":pull,push"); scope != want {
			t.Errorf("bob is granted %q of %s", scope, name)
		}
	}
	s.refuses(t, []refused{
		{"a wrong password", "alice", "not-her-password", "wrong password"},
		{"an unknown user", "mallory", "not-her-password", "unknown user"},
		{"an operator", `{"$ne": null}`, "not-her-password", "unknown user"},
		{"another spelling", "Alice", alicePassword, "unknown user"},
		{"a document without a password", "open", "Any-in-the-collection-7", "the account has none"},
	})
	for user, why := range map[string]string{
		"number": "password is not a text", "plain": "not a bcrypt hash", "twin": "more than one document",
	} {
		s.inTrouble(t, trouble{"a malformed document", user, why})
	}
	if n := f.Indexes(t, "users") + f.Indexes(t, "acl"); n != 2 {
		t.Errorf("there are %d indexes, and one for each _id was all", n)
	}
}

// TestMongoRules: changes act, mistakes do not.
func TestMongoRules(t *testing.T) {
	t.Parallel()
	f, s := startMongo(t, engines{})
	may := func(want string) func() bool {
		return func() bool { return s.scope(t, "bob", bobPassword, "repository:shop/app:pull,push") == want }
	}
	const both, pull = "repository:shop/app:pull,push", "repository:shop/app:pull"
	eventually(t, "the rules", may(both))
	f.Add(t, "acl", `{"seq": 5, "match": {"account": "bob"}, "actions": ["pull"], "comment": "for now"}`)
	eventually(t, "the rule that was added", may(pull))

	f.Add(t, "acl", `{"seq": 1, "match": {"team": "shop"}, "actions": ["*"]}`)
	eventually(t, "a line about the rule that is none", func() bool { return strings.Contains(s.gate.Log(), `unknown field \"team\"`) })
	if !may(pull)() {
		t.Error("a rule that is none changes the others")
	}
	f.Holds(t, "acl", append(mongoRules, `{"seq": 20, "match": {"account": "bob"}, "actions": []}`)...)
	eventually(t, "a line about the order", func() bool { return strings.Contains(s.gate.Log(), "there are two rules with seq 20") })
	f.Stop(t)
	s.reload(t, "cache_ttl: 1s", "cache_ttl: 2s")
	s.reload(t, "cache_ttl: 2s", "cache_ttl: 1s")
	if !may(pull)() { // bob's password is remembered
		t.Error("the rules are lost while the database is down")
	}
	f.Launch(t)
	f.Holds(t, "acl", mongoRules...)
	eventually(t, "the rules as they were", may(both))
}

// TestMongoInTrouble has a database that is frozen, down, or has another
// password: nobody is refused for it, and nobody else notices.
func TestMongoInTrouble(t *testing.T) {
	t.Parallel()
	f, s := startMongo(t, engines{})
	if status, body := s.login(t, "alice", alicePassword, ""); status != 200 {
		t.Fatalf("alice gets %d %s", status, body)
	}
	must(t, f.Signal(syscall.SIGSTOP))
	s.reload(t, "database: docker_auth", "database: docker_auth\n      timeout: 1s")
	s.inTrouble(t, trouble{"frozen", "carol", "context deadline exceeded"})
	must(t, f.Signal(syscall.SIGCONT))
	s.recovers(t, "carol")

	f.Stop(t)
	s.inTrouble(t, trouble{"down", "dave", "connection refused"})
	f.Launch(t)
	s.recovers(t, "dave")

	s.reload(t, f.CA.File, testbed.NewCA(t).File)
	s.inTrouble(t, trouble{"signed by somebody else", "erin", "certificate signed by unknown authority"})

	s.reload(t, "enable_tls: true\n      ca_certificate:", "#")
	s.inTrouble(t, trouble{"in the clear", "erin", "server selection error"})

	s.reload(t, f.TLS, f.Plain)
	s.recovers(t, "erin")

	s.reload(t, "username: gate", "username: nobody")
	s.inTrouble(t, trouble{"another user", "frank", "uthentication failed"})
}
