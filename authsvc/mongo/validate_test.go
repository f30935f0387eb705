package mongo

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/internal/problem"
)

func local() DialInfo { return DialInfo{Addrs: []string{"localhost"}, Database: "docker_auth"} }

// with is local() after a change.
func with(change func(*DialInfo)) DialInfo {
	d := local()
	change(&d)
	return d
}

var dialTests = []struct {
	name string
	cfg  DialInfo
	want string
	only bool // warnings
}{
	{"good", local(), "", false},
	{"all of it", DialInfo{
		Addrs: []string{"127.0.0.1:1", "[::1]:27017", "::1"}, ReplicaSet: "rs0", Timeout: time.Second, Database: "auth",
		Username: "gate", Password: "x", AuthSource: "$external", EnableTLS: true, CACertificate: "/ca.pem",
	}, "", false},
	{"nothing", DialInfo{}, "addrs: is missing; name the servers, such as [mongo.example.com]\ndatabase: is missing; docker_auth's is docker_auth in its examples", false},
	{"a URL", with(func(d *DialInfo) { d.Addrs = []string{"mongodb://gate:secret@mongo"} }),
		"addrs[0]: is HOST or HOST:PORT, not a URL; what the URL says besides are keys of dial_info", false},
	{"no address", with(func(d *DialInfo) { d.Addrs = []string{"a:b", "", "a:0", "/tmp/mongodb.sock", "a b", "gate@mongo"} }),
		`addrs[0]: "a:b" is neither HOST nor HOST:PORT, such as mongo.example.com:27017
addrs[1]: "" is neither HOST nor HOST:PORT, such as mongo.example.com:27017
addrs[2]: "a:0" is neither HOST nor HOST:PORT, such as mongo.example.com:27017
addrs[3]: "/tmp/mongodb.sock" is neither HOST nor HOST:PORT, such as mongo.example.com:27017
addrs[4]: "a b" is neither HOST nor HOST:PORT, such as mongo.example.com:27017
addrs[5]: "gate@mongo" is neither HOST nor HOST:PORT, such as mongo.example.com:27017`, false},
	{"one of several", with(func(d *DialInfo) { d.Addrs, d.Direct = []string{"localhost:1", "localhost:2"}, true }), "direct: asks one server, and addrs has 2", false},
	{"one of a set", with(func(d *DialInfo) { d.ReplicaSet, d.Direct = "rs0", true }), "direct: contradicts replica_set: leave one of them out", false},
	{"databases", with(func(d *DialInfo) { d.Database, d.Username, d.Password, d.AuthSource = "$external", "u", "p", "a.b" }),
		`database: "$external" is not the name of a database` + "\n" + `auth_source: "a.b" is not the name of a database`, false},
	{"no password", with(func(d *DialInfo) { d.Username = "gate" }), "password_file: is missing beside username", false},
	{"no user", with(func(d *DialInfo) { d.PasswordFile = "/p" }), "username: is missing beside the password", false},
	{"two passwords", with(func(d *DialInfo) { d.Username, d.Password, d.PasswordFile = "gate", "x", "/p" }), "password_file: is given beside password: leave one of them out", false},
	{"auth_source of nobody", with(func(d *DialInfo) { d.AuthSource = "admin" }), "auth_source: means nothing without username", true},
	{"in the clear", with(func(d *DialInfo) { d.Addrs = []string{"localhost", "mongo"} }),
		"enable_tls: is false, so everybody on the way to mongo can read what the database says, and say something else: use true", true},
	{"a CA for nothing", with(func(d *DialInfo) { d.CACertificate = "/ca.pem" }), "ca_certificate: means nothing without enable_tls: true", false},
	{"patience", with(func(d *DialInfo) { d.Timeout = time.Hour }), "timeout: 1h0m0s is not between 100ms and 1m0s", false},
	{"impatience", with(func(d *DialInfo) { d.Timeout = -1 }), "timeout: -1ns is not between 100ms and 1m0s", false},
}

func TestValidateDialInfo(t *testing.T) {
	for _, tt := range dialTests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.cfg.Validate()
			if got := said(err); got != tt.want {
				t.Errorf("Validate() =\n%s\nwant\n%s", got, tt.want)
			}
			var list problem.List
			if errors.As(err, &list) && list.Fatal() == tt.only {
				t.Errorf("Fatal() = %v", list.Fatal())
			}
			if strings.Contains(said(err), "secret") {
				t.Error("the message has a password in it")
			}
		})
	}
}

func TestValidateCollections(t *testing.T) {
	none := time.Duration(0)
	for want, cfg := range map[string]interface{ Validate() error }{
		"": UsersConfig{DialInfo: local(), Collection: "users"},
		"dial_info.addrs: is missing; name the servers, such as [mongo.example.com]\ncollection: is missing; docker_auth's is users in its examples": UsersConfig{
			DialInfo: with(func(d *DialInfo) { d.Addrs = nil }),
		},
		"any_password: anybody gets in as an account whose document has no password, with any that is not empty: delete it unless that is meant": UsersConfig{DialInfo: local(), Collection: "u", AnyPassword: true},
		`collection: "system.users" is not the name of a collection`:                                                                             UsersConfig{DialInfo: local(), Collection: "system.users"},
		"collection: is missing; docker_auth's is acl in its examples\ncache_ttl: 0s is no time: leave the key out for 1m0s, or write one such as 30s": RulesConfig{
			DialInfo: local(), Refresh: acl.Refresh{CacheTTL: &none},
		},
	} {
		if got := said(cfg.Validate()); got != want {
			t.Errorf("Validate() =\n%s\nwant\n%s", got, want)
		}
	}
}

// TestFiles: what is wrong with a file is said with its key.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	empty, good := write("empty", " \n"), write("good", " pass word\n")
	dial := with(func(d *DialInfo) {
		d.Username, d.PasswordFile, d.EnableTLS, d.CACertificate = "gate", empty, true, good
	})
	_, err := NewUsers(UsersConfig{DialInfo: dial, Collection: "users"}, nil)
	want := "dial_info.password_file: " + empty + " is empty\ndial_info.ca_certificate: " + good + " holds no PEM certificate"
	if said(err) != want {
		t.Errorf("NewUsers() =\n%v\nwant\n%s", err, want)
	}
	dial.PasswordFile, dial.CACertificate = good, ""
	u, err := NewUsers(UsersConfig{DialInfo: dial, Collection: "users"}, nil)
	must(t, err)
	if o := u.options(); o.Auth.Password != "pass word" || o.Auth.AuthSource != "admin" || o.TLSConfig == nil || o.Hosts[0] != "localhost:27017" {
		t.Errorf("the driver is told %+v", o.Auth)
	}
}

func said(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestSame(t *testing.T) {
	minute := time.Minute
	cfg := &RulesConfig{DialInfo: local(), Collection: "acl"}
	for _, tt := range []struct {
		other *RulesConfig
		want  bool
	}{
		{nil, false},
		{&RulesConfig{DialInfo: with(func(d *DialInfo) { d.Username, d.Timeout = "other", time.Second }), Collection: "acl", Refresh: acl.Refresh{CacheTTL: &minute}}, true},
		{&RulesConfig{DialInfo: local(), Collection: "acl2"}, false},
		{&RulesConfig{DialInfo: with(func(d *DialInfo) { d.Database = "other" }), Collection: "acl"}, false},
		{&RulesConfig{DialInfo: with(func(d *DialInfo) { d.Addrs = []string{"other"} }), Collection: "acl"}, false},
		{&RulesConfig{DialInfo: with(func(d *DialInfo) { d.ReplicaSet = "other" }), Collection: "acl"}, false},
	} {
		if got := cfg.Same(tt.other); got != tt.want {
			t.Errorf("Same(%+v) = %v", tt.other, got)
		}
	}
}
