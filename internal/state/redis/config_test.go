package redis

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/regate/regate/internal/problem"
	"github.com/regate/regate/internal/state"
)

var validateTests = []struct {
	name string
	cfg  Config
	want string
}{
	{"nothing", Config{}, "addrs: is missing: name the server as host:port, or all Sentinels, or some of a Cluster\n" +
		"key_file: is missing: give all gates the same file with what `openssl rand -hex 32` prints"},
	{"least", Config{Addrs: []string{"10.0.0.20:6379"}, KeyFile: "k"}, ""},
	{"no port", Config{Addrs: []string{"redis", ":6379"}, KeyFile: "k"}, "addrs: \"redis\" is no host:port\naddrs: \":6379\" is no host:port"},
	{"database of a Cluster", Config{Addrs: []string{"a:1", "b:1"}, DB: 1, KeyFile: "k"},
		"db: a Cluster has only the database 0; several addrs are a Cluster, or with master_name Sentinels"},
	{"database behind Sentinels", Config{Addrs: []string{"a:1", "b:1"}, MasterName: "m", DB: 1, KeyFile: "k"}, ""},
	{"negative", Config{Addrs: []string{"a:1"}, DB: -1, KeyFile: "k"}, "db: -1 is not between 0 and 65535"},
	{"Cluster with Sentinels", Config{Addrs: []string{"a:1"}, MasterName: "m", Cluster: true, KeyFile: "k"}, "cluster: cannot stand beside master_name: a Cluster has no Sentinels"},
	{"half a login", Config{Addrs: []string{"a:1"}, Username: "u", KeyFile: "k"}, "password_file: is missing: username needs one"},
	{"login to no Sentinels", Config{Addrs: []string{"a:1"}, SentinelUsername: "u", KeyFile: "k"},
		"master_name: is missing: without it there are no Sentinels to log in to\nsentinel_password_file: is missing: sentinel_username needs one"},
	{"password in the clear", Config{Addrs: []string{"a:1"}, PasswordFile: "p", KeyFile: "k"}, "tls: is missing, so everybody on the way can read the password: use tls: {}"},
	{"password on the same machine", Config{Addrs: []string{"127.0.0.1:1", "[::1]:1", "localhost:1"}, PasswordFile: "p", KeyFile: "k"}, ""},
	{"half a certificate", Config{Addrs: []string{"a:1"}, TLS: &TLS{Cert: "c"}, KeyFile: "k"}, "tls.cert: cert and key need each other"},
}

func TestValidate(t *testing.T) {
	for _, tt := range validateTests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := tt.cfg.Validate(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("Validate() = %q, want %q", got, tt.want)
			}
		})
	}
	var l problem.List
	clear := Config{Addrs: []string{"10.0.0.20:6379"}, PasswordFile: "p", KeyFile: "k"}
	if err := clear.Validate(); !errors.As(err, &l) || l.Fatal() {
		t.Errorf("a password in the clear is refused: %v", err)
	}
}

// TestCheckNamesKeys: each mistake is at the key that names the file.
func TestCheckNamesKeys(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, empty := file("key", strings.Repeat("ab", 32)), file("empty", "\n")
	for _, tt := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, ""},
		{Config{PasswordFile: empty}, "password_file"},
		{Config{SentinelPasswordFile: empty}, "sentinel_password_file"},
		{Config{TLS: &TLS{CA: empty}}, "tls.ca"},
		{Config{TLS: &TLS{CA: filepath.Join(dir, "none")}}, "tls.ca"},
		{Config{TLS: &TLS{Cert: empty, Key: key}}, "tls.cert"},
	} {
		tt.cfg.Addrs, tt.cfg.KeyFile = []string{"127.0.0.1:1"}, key
		got := ""
		if l := (problem.List{}); errors.As(tt.cfg.Check(), &l) {
			got = l[0].Path
		}
		if got != tt.want {
			t.Errorf("Check() of %+v is at %q, want %q", tt.cfg, got, tt.want)
		}
	}
}

func TestIsRecent(t *testing.T) {
	for version, want := range map[string]bool{
		"6.0.16": false, "5.9.9": false, "6.2.0": true, "6.10": true, "7.0.15": true, "10.0.0": true, "": true, "255.255.255": true, "unstable": true,
	} {
		if got := isRecent(version); got != want {
			t.Errorf("isRecent(%q) = %v, want %v", version, got, want)
		}
	}
}

func TestIsOutage(t *testing.T) {
	for _, tt := range []struct {
		err     error
		outage  bool
		refusal bool
	}{
		{nil, false, false},
		{redis.Nil, false, false},
		{io.EOF, true, false},
		{fmt.Errorf("get: %w", state.ErrNotFound), false, false},
		{state.ErrConflict, false, false},
		{errForeign, false, false},
		{reply("LOADING Redis is loading the dataset in memory"), true, false},
		{fmt.Errorf("put: %w", reply("CLUSTERDOWN The cluster is down")), true, false},
		{reply("OOM command not allowed when used memory > 'maxmemory'"), false, false},
		{reply("READONLY You can't write against a read only replica."), false, false},
		{reply("WRONGPASS invalid username-password pair or user is disabled."), false, true},
		{fmt.Errorf("x: %w", reply("NOPERM this user has no permissions")), false, true},
		{reply("ERR This instance has cluster support disabled"), false, true},
		{&hungUp{"DENIED Redis is running in protected mode", io.EOF}, true, true},
		{unsure{&hungUp{"DENIED Redis is running in protected mode", io.EOF}}, true, true},
		{unsure{&hungUp{"ERR max number of clients reached", io.EOF}}, true, false},
		{unsure{io.EOF}, true, false},
	} {
		if got := isOutage(tt.err); got != tt.outage {
			t.Errorf("isOutage(%v) = %v", tt.err, got)
		}
		if got := isRefusal(tt.err); got != tt.refusal {
			t.Errorf("isRefusal(%v) = %v", tt.err, got)
		}
	}
}
