package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/regate/regate/e2e/testbed"
	"github.com/regate/regate/e2e/tool"
)

// The people of the directories: Alice is a developer, whose group is in the
// group of those who may do everything; Bob is in no group.
const (
	alicePassword   = "Alice-in-the-directory-1"
	bobPassword     = "Bob-in-the-directory-2"
	gatePassword    = "Gate-in-the-directory-3"
	expiredPassword = "Nobody-in-the-directory-4"
)

// people of a slapd. Their groups know them, and not the other way about:
// nothing here asks for memberOf.
func people(t testing.TB) string {
	t.Helper()
	person := func(uid, password string) string {
		return fmt.Sprintf("dn: uid=%s,ou=people,dc=example,dc=com\nchangetype: add\nobjectClass: inetOrgPerson\nuid: %[1]s\ncn: %[1]s\nsn: x\nuserPassword: %s\n\n", uid, password)
	}
	group := func(cn, member string) string {
		return fmt.Sprintf("dn: cn=%s,ou=groups,dc=example,dc=com\nchangetype: add\nobjectClass: groupOfNames\ncn: %[1]s\nmember: %s\n\n", cn, member)
	}
	return person("alice", alicePassword) + person("bob", bobPassword) + person("carol", bobPassword) + person("dave", bobPassword) + person("locked", expiredPassword) + person("reset", expiredPassword) +
		`dn: uid=odd*\, name,ou=people,dc=example,dc=com` + "\nchangetype: add\nobjectClass: inetOrgPerson\nuid: odd*, name\ncn: x\nsn: x\nuserPassword: " + bobPassword + "\n\n" +
		"dn: cn=gate,dc=example,dc=com\nchangetype: add\nobjectClass: device\nobjectClass: simpleSecurityObject\ncn: gate\nuserPassword: " + gatePassword + "\n\n" +
		group("shop", "uid=alice,ou=people,dc=example,dc=com") +
		group("staff", "cn=shop,ou=groups,dc=example,dc=com") +
		group("registry-admins", "cn=staff,ou=groups,dc=example,dc=com") +
		"dn: cn=staff,ou=groups,dc=example,dc=com\nchangetype: modify\nadd: member\nmember: cn=registry-admins,ou=groups,dc=example,dc=com\n\n" + // a circle
		"dn: uid=locked,ou=people,dc=example,dc=com\nchangetype: modify\nreplace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n\n" +
		"dn: uid=reset,ou=people,dc=example,dc=com\nchangetype: modify\nreplace: pwdReset\npwdReset: TRUE\n"
}

// example returns the configuration in docs/ldap.md that has this text, with
// other servers and files, and the users of all tests.
func example(t *testing.T, with, servers, ca string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tool.Root(), "docs", "ldap.md"))
	must(t, err)
	password := filepath.Join(testbed.Dir(t), "password")
	save(t, password, gatePassword+"\n")
	for _, block := range strings.Split(string(text), "```yaml\n")[1:] {
		yaml, _, _ := strings.Cut(block, "```")
		if !strings.Contains(yaml, with) || !strings.HasPrefix(yaml, "auth:\n") {
			continue
		}
		yaml = regexp.MustCompile(`(?m)^    addrs?: .*$`).ReplaceAllString(yaml, "    "+servers)
		yaml = regexp.MustCompile(`ca_certificate: .*`).ReplaceAllString(yaml, "ca_certificate: "+ca)
		yaml = regexp.MustCompile(`bind_password_file: .*`).ReplaceAllString(yaml, "bind_password_file: "+password)
		return strings.Replace(yaml, "auth:\n", fmt.Sprintf("auth:\n  users: {\"dev\": {password: %q}}\n", testbed.Bcrypt(t, devPassword)), 1)
	}
	t.Fatalf("docs/ldap.md has no example with %q", with)
	return ""
}

// startDirectory starts a gate with this auth section in front of a registry.
func startDirectory(t *testing.T, auth string, e engines) *site {
	t.Helper()
	s := &site{gate: testbed.NewGate(t, testbed.NewCA(t)), engines: e}
	addr := testbed.LocalAddr()
	s.gate.Configure(t, fmt.Sprintf("registries: {main: {upstreams: [\"http://%s\"]}}\n%s", addr, auth))
	s.registry = testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Registry3, Addr: addr})
	s.gate.Start(t)
	return s
}

// TestSlapd logs people of a real directory in with the example of the
// documentation, over ldaps and over StartTLS.
func TestSlapd(t *testing.T) {
	t.Parallel()
	d := testbed.StartSlapd(t, people(t))
	e := engines{docker: testbed.StartDocker(t)}
	for name, servers := range map[string]string{
		"ldaps":    "addr: " + d.LDAPS + "\n    tls: always",
		"StartTLS": "addrs: [\"127.0.0.1:1\", \"" + d.Plain + "\"]\n    tls: starttls", // and nobody at the first
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startDirectory(t, example(t, "cn=gate,dc=example,dc=com", servers, d.CA.File), e)
			s.worksInDirectory(t)
			s.refuses(t, []refused{
				{"a wrong password", "alice", "not-her-password", "wrong password: LDAP Result Code 49"},
				{"an unknown user", "mallory", "not-her-password", "unknown user"},
				{"everybody", "*", alicePassword, "unknown user"},
				{"more than a name", "alice)(uid=*", alicePassword, "unknown user"},
				{"a locked account", "locked", expiredPassword, "wrong password: Account locked"},
				{"a password that must be changed", "reset", expiredPassword, "it must be changed first"},
			})
			if scope := s.scope(t, "odd*, name", bobPassword, "repository:shop/app:pull"); scope != "" {
				t.Errorf("somebody in no group is granted %q", scope)
			}
			if scope := s.scope(t, "ALICE", alicePassword, "repository:shop/app:pull"); scope != "repository:shop/app:pull" || !strings.Contains(s.gate.Log(), `"subject":"alice"`) {
				t.Errorf("in capitals, alice is granted %q, or is not alice in the log", scope)
			}
		})
	}
}

// worksInDirectory: docker logs in as Alice, who may do all because of the
// group that her group is in, and crane as Bob, who may do nothing.
func (s *site) worksInDirectory(t *testing.T) {
	t.Helper()
	for _, name := range []string{"docker", "crane"} {
		alice := s.client(t, name)
		must(t, alice.Login("alice", alicePassword))
		digest, err := alice.Push("anything/"+name, version)
		must(t, err)
		if got, err := alice.Pull("anything/" + name + ":" + version); err != nil || got != digest {
			t.Errorf("%s: pull: %s, %v; want %s", name, got, err, digest)
		}
	}
	bob := s.client(t, "crane")
	must(t, bob.Login("bob", bobPassword))
	if _, err := bob.Pull("anything/crane:" + version); err == nil || !strings.Contains(err.Error(), "UNAUTHORIZED") {
		t.Errorf("pull of somebody in no group: %v", err)
	}
	if err := s.client(t, "docker").Login("alice", "not-her-password"); err == nil || !strings.Contains(err.Error(), "unauthorized") {
		t.Errorf("docker login with a wrong password: %v", err)
	}
}

// Somebody refused gets 401, and the log has a reason.
type refused struct{ what, user, password, why string }

func (s *site) refuses(t *testing.T, all []refused) {
	t.Helper()
	for _, r := range all {
		if status, body := s.login(t, r.user, r.password, ""); status != 401 || !strings.Contains(string(body), "wrong user name or password") {
			t.Errorf("%s: %d %s", r.what, status, body)
		}
		if !strings.Contains(s.gate.Log(), r.why) {
			t.Errorf("%s: the log has no %q", r.what, r.why)
		}
	}
}

// TestDirectoryInTrouble has a directory that is down, frozen, and no directory
// at all: nobody is refused for it, and nobody else notices.
func TestDirectoryInTrouble(t *testing.T) {
	t.Parallel()
	d := testbed.StartSlapd(t, people(t))
	auth := example(t, "cn=gate,dc=example,dc=com", "addr: "+d.LDAPS+"\n    tls: always\n    timeout: 1s\n    connect_timeout: 1s", d.CA.File)
	s := startDirectory(t, auth, engines{})
	if scope := s.scope(t, "alice", alicePassword, "repository:a:pull"); scope == "" {
		t.Fatal("alice is granted nothing")
	}

	must(t, d.Signal(syscall.SIGSTOP))
	s.inTrouble(t, trouble{"frozen", "bob", "no answer in time"})
	must(t, d.Signal(syscall.SIGCONT))
	s.recovers(t, "bob")

	d.Stop(t)
	s.inTrouble(t, trouble{"down", "carol", "connection refused"})
	d.Launch(t)
	s.recovers(t, "carol")

	s.reload(t, "tls: always", "tls: none") // which is rubbish to both
	s.inTrouble(t, trouble{"another language", "dave", "unable to read LDAP response packet"})
}

func (s *site) config(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(s.gate.File)
	must(t, err)
	return string(text)
}

// A trouble of the directory: whom it concerns, and what the log says. Nobody
// is in two of them, since who could log in is remembered for a while.
type trouble struct{ what, user, why string }

// inTrouble: whom only the directory knows is told to come again, soon.
func (s *site) inTrouble(t *testing.T, tr trouble) {
	t.Helper()
	begun := time.Now()
	status, body := s.login(t, tr.user, bobPassword, "repository:a:pull")
	var reply struct {
		Errors []struct{ Code string }
	}
	if err := json.Unmarshal(body, &reply); err != nil || status != 503 || len(reply.Errors) != 1 || reply.Errors[0].Code != "UNAVAILABLE" {
		t.Errorf("%s: %s gets %d %s", tr.what, tr.user, status, body)
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("%s: it took %v", tr.what, took)
	}
	if status, body := s.login(t, "dev", devPassword, ""); status != 200 {
		t.Errorf("%s: a user of the file gets %d %s", tr.what, status, body)
	}
	if !strings.Contains(s.gate.Log(), tr.why) {
		t.Errorf("%s: the log has no %q", tr.what, tr.why)
	}
}

func (s *site) recovers(t *testing.T, user string) {
	t.Helper()
	eventually(t, "a login when it is back", func() bool {
		status, _ := s.login(t, user, bobPassword, "")
		return status == 200
	})
}

// reload puts one text for another into the configuration, and waits for it.
func (s *site) reload(t *testing.T, old, with string) {
	t.Helper()
	before, text := strings.Count(s.gate.Log(), `"reloaded"`), s.config(t)
	if !strings.Contains(text, old) {
		t.Fatalf("no %q in the configuration", old)
	}
	s.rewrite(t, strings.Replace(text, old, with, 1))
	eventually(t, "a reload", func() bool { return strings.Count(s.gate.Log(), `"reloaded"`) > before })
}

// TestThousandLoginsAreOne: so many clients of one user at once bind once.
func TestThousandLoginsAreOne(t *testing.T) {
	t.Parallel()
	d := testbed.StartSlapd(t, people(t))
	s := startDirectory(t, example(t, "cn=gate,dc=example,dc=com", "addr: "+d.LDAPS+"\n    tls: always", d.CA.File), engines{})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 50 {
				if status, body := s.login(t, "alice", alicePassword, "repository:shop/app:pull"); status != 200 {
					t.Errorf("%d %s", status, body)
				}
			}
		})
	}
	all.Wait()
	if n := d.Binds("uid=alice,ou=people,dc=example,dc=com"); n != 1 {
		t.Errorf("alice was bound %d times", n)
	}
}

// TestWrongDirectoryCA: no password is shown to a server that anybody could be.
func TestWrongDirectoryCA(t *testing.T) {
	t.Parallel()
	d := testbed.StartSlapd(t, people(t))
	s := startDirectory(t, example(t, "cn=gate,dc=example,dc=com", "addr: "+d.LDAPS+"\n    tls: always", testbed.NewCA(t).File), engines{})
	s.inTrouble(t, trouble{"signed by somebody else", "bob", "certificate signed by unknown authority"})
	if n := d.Binds("cn=gate,dc=example,dc=com"); n != 0 {
		t.Errorf("the gate has bound %d times", n)
	}
}

// TestActiveDirectory logs people of a real domain in with the example of the
// documentation, and as the users themselves.
func TestActiveDirectory(t *testing.T) {
	t.Parallel()
	d := testbed.StartSamba(t)
	for user, password := range map[string]string{"alice": alicePassword, "bob": bobPassword, "gate": gatePassword, "gone": expiredPassword, "reset": expiredPassword} {
		d.Tool(t, "user", "create", user, password)
	}
	d.Tool(t, "user", "disable", "gone")
	d.Tool(t, "user", "setpassword", "reset", "--newpassword="+expiredPassword, "--must-change-at-next-login")
	for _, group := range []string{"Shop", "Staff", "Registry-Admins"} {
		d.Tool(t, "group", "add", group)
	}
	for _, pair := range [][2]string{{"Shop", "alice"}, {"Staff", "Shop"}, {"Registry-Admins", "Staff"}, {"Shop", "Registry-Admins"}} {
		d.Tool(t, "group", "addmembers", pair[0], pair[1])
	}
	d.Launch(t)
	e := engines{docker: testbed.StartDocker(t)}
	service := example(t, "nested: ad", "addr: "+d.LDAPS, d.CA.File)
	user := strings.Replace(service, "bind_dn: gate@", "initial_bind_as_user: true\n    bind_dn: ${account}@", 1)
	user = regexp.MustCompile(`(?m)^    bind_password_file: .*\n`).ReplaceAllString(user, "")
	for name, auth := range map[string]string{"service account": service, "as the user": user} {
		t.Run(name, func(t *testing.T) {
			s := startDirectory(t, auth, e)
			s.worksInDirectory(t)
			s.refuses(t, []refused{
				{"a wrong password", "alice", "not-her-password", "data 52e"},
				{"an unknown user", "mallory", "not-her-password", ""},
				{"a disabled account", "gone", expiredPassword, "the account is disabled"},
				{"a password that must be changed", "reset", expiredPassword, "the password must be changed first"},
			})
			if name == "service account" {
				if scope := s.scope(t, "Alice@corp.example.com", alicePassword, "repository:shop/app:pull"); scope != "repository:shop/app:pull" || !strings.Contains(s.gate.Log(), `"subject":"alice@corp.example.com"`) {
					t.Errorf("by her other name alice is granted %q, or is another in the log", scope)
				}
			}
		})
	}
	s := startDirectory(t, strings.Replace(service, "addr: "+d.LDAPS, "addr: 127.0.0.1:389", 1), engines{})
	s.inTrouble(t, trouble{"clear text", "bob", "Strong Auth Required"})
}
