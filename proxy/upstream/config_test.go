package upstream

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regate/regate/authsvc/authn"
)

var (
	yes, no = true, false
	address = []string{"http://10.0.0.11:5000"}
)

var validateTests = []struct {
	name string
	c    Config
	want []string // what each problem begins with
}{
	{"smallest", Config{Upstreams: address}, nil},
	{"https", Config{Upstreams: []string{"https://registry.example"}, TLS: TLS{CA: "ca.pem", Cert: "c", Key: "k"}}, nil},
	{"socket", Config{Upstreams: []string{"unix:///run/registry.sock"}}, nil},
	{"prefix", Config{Upstreams: []string{"http://h/some/prefix/"}}, nil},
	{"basic", Config{Upstreams: address, Auth: Trust{Mode: ModeBasic, Username: "u", Password: "p"}}, nil},
	{"basic with a file", Config{Upstreams: address, Auth: Trust{Mode: ModeBasic, Username: "u", PasswordFile: "f"}}, nil},
	{"token", Config{Upstreams: address, Auth: Trust{Mode: ModeToken, Issuer: "i", Service: "s"}}, nil},
	{"forward", Config{Upstreams: address, Auth: Trust{Mode: ModeForward, Check: &no}}, nil},

	{"nothing", Config{}, []string{"upstreams: is missing"}},
	{"several", Config{Upstreams: []string{"http://a", "http://b", "http://a:5000", "https://a", "unix:///a"}, Balance: LeastConn, MaxConnections: 9}, nil},
	{"one twice", Config{Upstreams: []string{"http://a/x", "http://b", "http://A/x/"}}, []string{"upstreams[2]: is the same as upstreams[0]"}},
	{"unknown balance", Config{Upstreams: address, Balance: "random"}, []string{`balance: "random" is none of`}},
	{"too many connections", Config{Upstreams: address, MaxConnections: -1}, []string{"max_connections: -1"}},
	{"bad health", Config{Upstreams: address, Health: Health{Path: "v2", Interval: 1, Timeout: -1, Healthy: -1, Unhealthy: 101, MaxFailures: -1}},
		[]string{"health.path: ", "health.interval: ", "health.timeout: ", "health.healthy: ", "health.unhealthy: ", "health.max_failures: "}},
	{"query in a path", Config{Upstreams: address, Health: Health{Path: "/v2/?x"}}, []string{"health.path: "}},
	{"no scheme", Config{Upstreams: []string{"10.0.0.11:5000"}}, []string{"upstreams[0]: is no address"}},
	{"host alone", Config{Upstreams: []string{"registry"}}, []string{"upstreams[0]: must begin with http://"}},
	{"other scheme", Config{Upstreams: []string{"ftp://a"}}, []string{"upstreams[0]: must begin with http://"}},
	{"no host", Config{Upstreams: []string{"http://:5000"}}, []string{"upstreams[0]: has no host"}},
	{"user", Config{Upstreams: []string{"http://u:hunter2@a"}}, []string{"upstreams[0]: holds a user"}},
	{"query", Config{Upstreams: []string{"http://a?x"}}, []string{"upstreams[0]: holds more"}},
	{"escapes", Config{Upstreams: []string{"http://a/%2e%2e"}}, []string{"upstreams[0]: "}},
	{"dots", Config{Upstreams: []string{"http://a/.."}}, []string{"upstreams[0]: the path may hold"}},
	{"v2", Config{Upstreams: []string{"http://a/v2/"}}, []string{"upstreams[0]: ends before /v2/"}},
	{"socket with two slashes", Config{Upstreams: []string{"unix://run/x"}}, []string{"upstreams[0]: a Unix socket"}},
	{"TLS without https", Config{Upstreams: address, TLS: TLS{CA: "ca"}}, []string{"tls: is for an https upstream"}},
	{"half a pair", Config{Upstreams: []string{"https://a"}, TLS: TLS{Cert: "c"}}, []string{"tls.key: is missing"}},
	{"other half", Config{Upstreams: []string{"https://a"}, TLS: TLS{Key: "c"}}, []string{"tls.cert: is missing"}},
	{"negative", Config{Upstreams: address, HeaderTimeout: -1, CommitTimeout: -1, ConnectTimeout: -1}, []string{"connect_timeout: ", "header_timeout: ", "commit_timeout: "}},
	{"unknown mode", Config{Upstreams: address, Auth: Trust{Mode: "basci"}}, []string{`auth.mode: "basci" is none of`}},
	{"basic alone", Config{Upstreams: address, Auth: Trust{Mode: ModeBasic}}, []string{"auth.username: is missing", "auth.password_file: is missing"}},
	{"two passwords", Config{Upstreams: address, Auth: Trust{Mode: ModeBasic, Username: "u", Password: "p", PasswordFile: "f"}}, []string{"auth.password_file: is given beside"}},
	{"token alone", Config{Upstreams: address, Auth: Trust{Mode: ModeToken}}, []string{"auth.issuer: is missing", "auth.service: is missing"}},
	{"keys of other modes", Config{Upstreams: address, Auth: Trust{Username: "u", Password: "p", PasswordFile: "f", Issuer: "i", Service: "s", Check: &yes}},
		[]string{"auth.username: has no meaning in mode none", "auth.password: ", "auth.password_file: ", "auth.issuer: ", "auth.service: ", "auth.check: "}},
}

var mirrorTests = []struct {
	name string
	c    Config
	want []string
}{
	{"mirror", Config{Kind: KindMirror, NS: "docker.io"}, nil},
	{"mirror with an account", Config{Kind: KindMirror, NS: "ghcr.io", Username: "u", PasswordFile: "f", TokenHosts: []string{"auth.example", "h:5001", "[::1]:5001"}}, nil},
	{"mirror elsewhere", Config{Kind: KindMirror, NS: "localhost", Upstreams: []string{"http://10.0.0.9:5000"}}, nil},
	{"mirror with TLS", Config{Kind: KindMirror, NS: "ghcr.io", TLS: TLS{CA: "ca.pem"}}, nil},
	{"other kind", Config{Kind: "proxy", Upstreams: address}, []string{`kind: "proxy" is not mirror`}},
	{"misspelt kind", Config{Kind: "mirrors", NS: "docker.io"}, []string{`kind: "mirrors" is not known; did you mean mirror?`}},
	{"another name of Docker Hub", Config{Kind: KindMirror, NS: "registry-1.docker.io"}, []string{"ns: registry-1.docker.io is Docker Hub, which clients call docker.io; use ns: docker.io"}},
	{"no ns", Config{Kind: KindMirror}, []string{"ns: must be"}},
	{"URL as ns", Config{Kind: KindMirror, NS: "https://ghcr.io"}, []string{"ns: must be"}},
	{"path in ns", Config{Kind: KindMirror, NS: "ghcr.io/x"}, []string{"ns: must be"}},
	{"capitals in ns", Config{Kind: KindMirror, NS: "GHCR.io"}, []string{"ns: must be"}},
	{"bad port in ns", Config{Kind: KindMirror, NS: "h:0"}, []string{"ns: must be"}},
	{"empty label in ns", Config{Kind: KindMirror, NS: "a..b"}, []string{"ns: must be"}},
	{"auth of a mirror", Config{Kind: KindMirror, NS: "ghcr.io", Auth: Trust{Mode: ModeBasic, Username: "u", Password: "p"}}, []string{"auth: is for a registry of ours"}},
	{"mirror by a socket", Config{Kind: KindMirror, NS: "ghcr.io", Upstreams: []string{"unix:///x"}}, []string{"upstreams[0]: a mirror's"}},
	{"password without a user", Config{Kind: KindMirror, NS: "ghcr.io", Password: "hunter2"}, []string{"username: is missing"}},
	{"user without a password", Config{Kind: KindMirror, NS: "ghcr.io", Username: "u"}, []string{"password_file: is missing"}},
	{"mirror's two passwords", Config{Kind: KindMirror, NS: "ghcr.io", Username: "u", Password: "hunter2", PasswordFile: "f"}, []string{"password_file: is given beside"}},
	{"colon", Config{Kind: KindMirror, NS: "ghcr.io", Username: "u:v", Password: "hunter2"}, []string{"username: holds a colon"}},
	{"token host with a scheme", Config{Kind: KindMirror, NS: "ghcr.io", TokenHosts: []string{"a", "https://b"}}, []string{"token_hosts[1]: must be HOST"}},
	{"mirror on a host", Config{Kind: KindMirror, NS: "docker.io", Public: Public{Hosts: []string{"hub.example.com", "::1"}, Anonymous: true}}, nil},
	{"mirror's prefix", Config{Kind: KindMirror, NS: "localhost:5000", Public: Public{Prefix: "local5000"}}, nil},
	{"prefix of two components", Config{Kind: KindMirror, NS: "ghcr.io", Public: Public{Prefix: "a/b"}}, []string{"mirror.prefix: \"a/b\" is not one"}},
	{"port in the default prefix", Config{Kind: KindMirror, NS: "[::1]:5000"}, []string{"mirror.prefix: is missing"}},
	{"mirror on a port", Config{Kind: KindMirror, NS: "ghcr.io", Public: Public{Hosts: []string{"a", "b:443", "*.c", "https://d", ""}}},
		[]string{"mirror.hosts[1]: ", "mirror.hosts[2]: ", "mirror.hosts[3]: ", "mirror.hosts[4]: "}},
	{"anonymous nowhere", Config{Kind: KindMirror, NS: "ghcr.io", Public: Public{Anonymous: true}}, []string{"mirror.anonymous: is about"}},
	{"mirror section elsewhere", Config{Upstreams: address, Public: Public{Prefix: "a"}}, []string{"mirror: is for a registry with kind"}},
	{"a mirror's keys elsewhere", Config{Upstreams: address, NS: "a", Username: "u", Password: "p", PasswordFile: "f", TokenHosts: []string{"a"}},
		[]string{"ns: is for a registry with kind: mirror", "username: ", "password: ", "password_file: ", "token_hosts: "}},
}

func TestMirrorDefaults(t *testing.T) {
	for _, tt := range []struct {
		c             Config
		upstreams, at string
	}{
		{Config{Kind: KindMirror, NS: "docker.io"}, "[https://registry-1.docker.io]", "[auth.docker.io]"},
		{Config{Kind: KindMirror, NS: "docker.io", TokenHosts: []string{"b"}}, "[https://registry-1.docker.io]", "[auth.docker.io b]"},
		{Config{Kind: KindMirror, NS: "docker.io", Upstreams: []string{"https://hub.internal"}}, "[https://hub.internal]", "[]"},
		{Config{Kind: KindMirror, NS: "quay.io"}, "[https://quay.io]", "[]"},
		{Config{Upstreams: address}, fmt.Sprint(address), "[]"},
	} {
		got := tt.c.withDefaults()
		if fmt.Sprint(got.Upstreams) != tt.upstreams || fmt.Sprint(got.TokenHosts) != tt.at {
			t.Errorf("%s %s: upstreams %v, token hosts %v, want %s, %s", tt.c.Kind, tt.c.NS, got.Upstreams, got.TokenHosts, tt.upstreams, tt.at)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, tt := range append(validateTests, mirrorTests...) {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			if err := tt.c.Validate(); err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if len(got) != len(tt.want) {
				t.Fatalf("problems %q, want %q", got, tt.want)
			}
			for i, want := range tt.want {
				if !strings.HasPrefix(got[i], want) || strings.Contains(got[i], "hunter2") {
					t.Errorf("problem %q, want %q", got[i], want)
				}
			}
		})
	}
}

func TestShortFormOfTrust(t *testing.T) {
	c := Config{Upstreams: address, Auth: Trust{Username: "left over"}}
	if err := c.Auth.UnmarshalText([]byte("forward")); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil || c.Auth.Mode != ModeForward || !c.Checked() {
		t.Errorf("%+v: %v", c.Auth, err)
	}
}

func TestPasswordFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	for text, want := range map[string]string{"secret\n": "secret", "secret": "secret", " a b \r\n": " a b ", "\n": ""} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := Trust{PasswordFile: file}.password()
		if got != authn.Secret(want) || (err != nil) != (want == "") {
			t.Errorf("password() of %q = %q, %v", text, got.Reveal(), err)
		}
	}
	_, err := New(Config{Upstreams: address, Auth: Trust{Mode: ModeBasic, Username: "u", PasswordFile: file + "x"}}, Options{})
	if err == nil || !strings.HasPrefix(fmt.Sprint(err), "auth.password_file: open ") {
		t.Errorf("New() without the file: %v", err)
	}
}
