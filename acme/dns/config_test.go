package dns

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/internal/problem"
)

func ptr[T any](v T) *T { return &v }

var (
	bind = &RFC2136{Server: "10.0.0.53:53", KeyName: "regate.", KeyFile: "/etc/regate/tsig"}
	prog = &Exec{Command: []string{"/usr/local/bin/dns", "--zone", "x"}}
)

var validateTests = []struct {
	name string
	cfg  Config
	want []string // "path: part of the message"
}{
	{"rfc2136", Config{RFC2136: bind}, nil},
	{"exec", Config{Exec: prog}, nil},
	{"cloudflare", Config{Cloudflare: &Cloudflare{TokenFile: "/t"}}, nil},
	{"route53 with all from the environment", Config{Route53: &Route53{}}, nil},
	{"all settings", Config{RFC2136: bind, PropagationTimeout: ptr(time.Duration(0)), PropagationDelay: time.Second, TTL: time.Minute,
		Resolvers: []string{"10.0.0.53:53", "[2001:db8::53]:53", "dns.example.com:5353"}, Delegate: "gate.acme.example.com."}, nil},
	{"nobody", Config{}, []string{": says not who"}},
	{"two", Config{RFC2136: bind, Exec: prog}, []string{": has rfc2136 and exec"}},
	{"nothing of rfc2136", Config{RFC2136: &RFC2136{}},
		[]string{"rfc2136.server: is missing", "rfc2136.key_name: is missing", "rfc2136.key_file: is missing"}},
	{"all of rfc2136 wrong", Config{RFC2136: &RFC2136{Server: "10.0.0.53", KeyName: "a b", KeyAlgorithm: "hmac-md5", KeyFile: "f"}},
		[]string{"rfc2136.server: \"10.0.0.53\" is not HOST:PORT", "rfc2136.key_name: \"a b\"", "rfc2136.key_algorithm: \"hmac-md5\" is none of hmac-sha1, "}},
	{"no program", Config{Exec: &Exec{Timeout: -1}}, []string{"exec.command: is missing", "exec.timeout: -1ns"}},
	{"program somewhere", Config{Exec: &Exec{Command: []string{"dns.sh"}}}, []string{`exec.command[0]: "dns.sh" is no absolute path`}},
	{"no token", Config{Cloudflare: &Cloudflare{}}, []string{"cloudflare.token_file: is missing"}},
	{"times", Config{Exec: prog, PropagationTimeout: ptr(-time.Second), PropagationDelay: 2 * time.Hour, TTL: 1500 * time.Millisecond},
		[]string{"propagation_timeout: -1s", "propagation_delay: 2h0m0s", "ttl: 1.5s is no whole number"}},
	{"names", Config{Exec: prog, Resolvers: []string{"10.0.0.53:53", "10.0.0.53", ":53", "a:0"}, Delegate: "https://a"},
		[]string{"resolvers[1]: ", "resolvers[2]: ", "resolvers[3]: ", "delegate: "}},
}

func TestValidate(t *testing.T) {
	for _, tt := range validateTests {
		var l problem.List
		_ = errors.As(tt.cfg.Validate(), &l)
		ok := slices.EqualFunc(l, tt.want, func(p problem.Problem, want string) bool {
			return strings.HasPrefix(p.Path+": "+p.Msg, want)
		})
		if !ok {
			t.Errorf("%s: Validate() = %q, want %q", tt.name, l, tt.want)
		}
	}
}

func TestPartsHaveDefaults(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  Config
		want Parts
	}{
		{"nothing set", Config{Exec: prog}, Parts{Timeout: 2 * time.Minute}},
		{"no looking", Config{Exec: prog, PropagationTimeout: ptr(time.Duration(0)), PropagationDelay: time.Minute}, Parts{Timeout: -1, Delay: time.Minute}},
		{"set", Config{Exec: prog, PropagationTimeout: ptr(time.Second), TTL: time.Minute, Delegate: "a.example.com."},
			Parts{Timeout: time.Second, TTL: time.Minute, Delegate: "a.example.com"}},
	} {
		got, err := New(tt.cfg, nil)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if got.Provider == nil || got.Timeout != tt.want.Timeout || got.Delay != tt.want.Delay || got.TTL != tt.want.TTL || got.Delegate != tt.want.Delegate {
			t.Errorf("%s: New gave %+v, want %+v", tt.name, got, tt.want)
		}
	}
}
