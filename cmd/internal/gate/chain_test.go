package gate

import (
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/regate/regate/authsvc"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/authn/ldap"
	"github.com/regate/regate/authsvc/authn/static"
	"github.com/regate/regate/authsvc/ext"
	"github.com/regate/regate/authsvc/sqldb"
	"github.com/regate/regate/configs"
)

func basicOf(account, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(account+":"+password))
}

// withHtpasswd is the usual configuration with a file of more users.
func withHtpasswd(t *testing.T, lines string) (path, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "htpasswd")
	write(t, file, lines)
	path = config(t, "http://127.0.0.1:1", "")
	return changed(t, path, "auth:\n", "auth:\n  htpasswd_file: "+file+"\n"), file
}

// TestHtpasswdIsFollowed changes the file of a running gate: who is new gets in,
// who is gone does not although the gate remembers the password, and with a
// mistake everything stays as it is.
func TestHtpasswdIsFollowed(t *testing.T) {
	t.Parallel()
	path, file := withHtpasswd(t, "one:"+devHash+"\n")
	g := start(t, path)
	mayLogIn := func(account string) bool {
		status, _, _ := g.get("https", "/auth", "Authorization", basicOf(account, "secret"))
		return status == 200
	}
	if !mayLogIn("dev") || !mayLogIn("one") || mayLogIn("two") {
		t.Fatal("the users are not those of the configuration and of the file")
	}
	write(t, file, "two:"+devHash+"\nthree:hunter2\n")
	g.until("a line about the mistake", func() bool { return g.logged(file + ":2: ") })
	if !mayLogIn("one") || mayLogIn("two") || g.logged("hunter2") {
		t.Error("a file with a mistake changed something, or its line was logged")
	}
	write(t, file, "two:"+devHash+"\n")
	g.until("a login of the new user", func() bool { return mayLogIn("two") })
	if mayLogIn("one") || !mayLogIn("dev") {
		t.Error("who is gone still gets in, or who is not does not")
	}
}

// otherHash is of "another".
const otherHash = "$2a$04$bZIHGOMpf8pW7PP3lfkkzeOvUNfFPI1f2vuX2b6cFLCSgAqw7Z2lK"

// TestOrderOfTheChain is docker_auth's (docker-auth.md 1.3), whatever the order
// in the file. Who is asked first has an account that several know.
func TestOrderOfTheChain(t *testing.T) {
	t.Parallel()
	path, _ := withHtpasswd(t, "dev:"+otherHash+"\n")
	_, p := startOpen(t, changed(t, path, "auth:\n", `auth:
  ldap_auth: {addr: "127.0.0.1:1", base: dc=x, filter: "(uid=${account})"}
  ext_auth: {command: /bin/true}
`))
	var got []string
	for _, asked := range p.board.live.Load().users {
		got = append(got, fmt.Sprintf("%T", asked))
	}
	if want := []string{"*static.Users", "*htpasswd.Users", "*ext.Users", "*ldap.Directory"}; !slices.Equal(got, want) {
		t.Errorf("the chain is %v, want %v", got, want)
	}
	g := p.board.live.Load()
	for secret, want := range map[authn.Secret]error{"secret": nil, "another": authn.ErrWrongPassword} {
		if _, err := g.users.Authenticate(t.Context(), authn.Credentials{Account: "dev", Password: secret}); !errors.Is(err, want) {
			t.Errorf("dev with %q: %v, want %v", secret.Reveal(), err, want)
		}
	}
}

// TestCheckReadsFilesOfDirectories, and says in which of them.
func TestCheckReadsFilesOfDirectories(t *testing.T) {
	t.Parallel()
	path := changed(t, config(t, "http://127.0.0.1:1", ""), "auth:\n", `auth:
  ldap_auth:
    - {addr: "127.0.0.1:1", base: dc=x, filter: "(uid=${account})"}
    - {addr: "127.0.0.1:1", base: dc=x, filter: "(uid=${account})", tls: always, ca_certificate: /nowhere/ca.pem}
`)
	loaded, err := configs.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want := path + ":8: auth.ldap_auth[1].ca_certificate: open /nowhere/ca.pem: no such file or directory"
	if err = Check(loaded); err == nil || err.Error() != want {
		t.Errorf("Check() = %v, want %s", err, want)
	}
}

// TestCheckReadsHtpasswd: `regate check` says what is wrong with its lines.
func TestCheckReadsHtpasswd(t *testing.T) {
	t.Parallel()
	path, file := withHtpasswd(t, "one:x\n\ntwo\n")
	loaded, err := configs.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	err = Check(loaded)
	for _, want := range []string{file + ":1: the hash of", file + ":3: expected USER:HASH"} {
		if err == nil || !strings.Contains(err.Error(), ": auth.htpasswd_file: "+want) {
			t.Errorf("Check() = %v, want %q", err, want)
		}
	}
}

// TestAccountsThatChange: nobody stays logged in by what was changed.
func TestAccountsThatChange(t *testing.T) {
	t.Parallel()
	path := config(t, "http://127.0.0.1:1", "")
	for name, change := range map[string]func(*authsvc.Config){
		"":              func(c *authsvc.Config) { c.ACL = nil },
		"users":         func(c *authsvc.Config) { c.Users = static.Config{"other": {AnyPassword: true}} },
		"htpasswd_file": func(c *authsvc.Config) { c.HtpasswdFile = "/other" },
		"ext_auth":      func(c *authsvc.Config) { c.ExtAuth = &ext.UsersConfig{} },
		"xorm_auth":     func(c *authsvc.Config) { c.XormAuth = &sqldb.UsersConfig{} },
		"ldap_auth":     func(c *authsvc.Config) { c.LDAPAuth = ldap.Configs{{Base: "dc=x"}} },
	} {
		was, err := configs.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		is, err := configs.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		change(&is.Auth)
		if got := sameAccounts(was, is); got != (name == "") {
			t.Errorf("%q changed, and the accounts are the same: %v", name, got)
		}
	}
}
