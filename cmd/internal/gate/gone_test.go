package gate

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/authn/ldap/ldaptest"
)

// status is that of the answer to a refresh token.
func (g *running) status(text string) int {
	g.t.Helper()
	_, status := g.refresh(text)
	return status
}

// goneTests are the places where accounts are. Each starts a gate with the
// accounts alice and bob, of the password "secret", and takes alice away.
var goneTests = []struct {
	name  string
	later time.Duration // until that is known
	start func(*testing.T, *clock) (g *running, remove func())
}{
	{"the configuration", 0, func(t *testing.T, c *clock) (*running, func()) {
		both := fmt.Sprintf(`"alice": {password: %q}, "bob": {password: %[1]q}`, devHash)
		path := changed(t, config(t, "http://127.0.0.1:1", ""), `"dev": {`, both+`, "dev": {`)
		g := startAt(t, path, c)
		return g, func() { g.reloads(`"alice"`, `"carol"`) }
	}},
	{"an htpasswd file", 0, func(t *testing.T, c *clock) (*running, func()) {
		path, file := withHtpasswd(t, "alice:"+devHash+"\nbob:"+devHash+"\n")
		g := startAt(t, path, c)
		return g, func() {
			before := g.count(`"reloaded"`)
			write(t, file, "bob:"+devHash+"\n")
			g.until("a reload", func() bool { return g.count(`"reloaded"`) > before })
		}
	}},
	{"a database", 15 * time.Minute, func(t *testing.T, c *clock) (*running, func()) {
		path, db := newDatabase(t)
		change(t, db, "INSERT INTO xorm_user (username, password_hash) VALUES ('alice', ?), ('bob', ?)", devHash, devHash)
		g := startAt(t, withDatabase(t, path), c)
		return g, func() { change(t, db, "DELETE FROM xorm_user WHERE username = 'alice'") }
	}},
	{"a directory", 15 * time.Minute, func(t *testing.T, c *clock) (*running, func()) {
		d := ldaptest.Start(t, ldaptest.Options{}, person("alice"), person("bob"))
		g := startAt(t, withDirectory(t, d), c)
		return g, func() { d.Set(person("bob")) }
	}},
}

func person(uid string) ldaptest.Entry {
	return ldaptest.Entry{DN: "uid=" + uid + ",dc=x", Password: "secret", Attributes: map[string][]string{"uid": {uid}}}
}

func withDirectory(t *testing.T, d *ldaptest.Server) string {
	t.Helper()
	section := fmt.Sprintf("auth:\n  ldap_auth: {addr: %q, tls: none, base: dc=x, filter: \"(uid=${account})\"}\n", d.Addr)
	return changed(t, config(t, "http://127.0.0.1:1", ""), "auth:\n", section)
}

// TestGone: whoever is taken out of where accounts are gets nothing any more for
// what their login was given, within a quarter of an hour. Others do.
func TestGone(t *testing.T) {
	t.Parallel()
	for _, tt := range goneTests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := new(clock)
			g, remove := tt.start(t, c)
			alice, bob := g.logIn("alice", "secret").Refresh, g.logIn("bob", "secret").Refresh
			for range 3 { // over expiry and refresh
				if a, b := g.status(alice), g.status(bob); a != http.StatusOK || b != http.StatusOK {
					t.Fatalf("both are there: %d and %d", a, b)
				}
				c.forward(time.Hour)
			}
			_ = g.status(alice) // so that it is known that she is there
			remove()
			c.forward(tt.later)
			if a, b := g.status(alice), g.status(bob); a != http.StatusUnauthorized || b != http.StatusOK {
				t.Errorf("alice is gone: %d, and bob: %d", a, b)
			}
		})
	}
}

// TestGoneDirectory: while nobody can be asked whether accounts are there, they
// are taken to be for a day.
func TestGoneDirectory(t *testing.T) {
	t.Parallel()
	c := new(clock)
	d := ldaptest.Start(t, ldaptest.Options{}, person("alice"))
	g := startAt(t, withDirectory(t, d), c)
	alice := g.logIn("alice", "secret").Refresh
	if got := g.status(alice); got != http.StatusOK {
		t.Fatal(got)
	}
	d.Down()
	for hours, want := range []int{http.StatusOK, http.StatusOK, http.StatusOK, http.StatusServiceUnavailable} {
		if got := g.status(alice); got != want {
			t.Errorf("after %d hours without the directory: %d, want %d", 8*hours, got, want)
		}
		c.forward(8*time.Hour + time.Minute)
	}
	d.Up(t)
	c.forward(time.Hour)
	g.until("a directory that is back", func() bool { return g.status(alice) == http.StatusOK })
}
