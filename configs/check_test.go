package configs

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/regate/regate/internal/problem"
)

// minimal is a configuration to which sections are added.
const minimal = `
tls: {hosts: [registry.example.com], mode: internal}
auth: {users: {"": {}}, acl: [{match: {}, actions: [pull]}]}
`

var warningTests = []struct {
	name string
	file string // besides minimal
	want string
}{
	{"none", `registries: {a: {upstreams: ["http://10.0.0.11:5000"]}}`, ""},
	{"registry without a route",
		"registries: {a: {upstreams: [\"http://10.0.0.1\"]}, b: {upstreams: [\"http://10.0.0.2\"]}}\nroutes: [{registry: b}]",
		"4: registries.a: no route leads to it"},
	{"public registry that trusts its network",
		"registries:\n  a:\n    upstreams: [\"http://192.0.2.1:5000\"]\n    auth: none",
		"6: registries.a.upstreams[0]: 192.0.2.1 is a public address, and auth: none lets everybody in who reaches it; see to it that only the gate does, or use another mode"},
	{"public registry with accounts",
		`registries: {a: {upstreams: ["https://192.0.2.1"], auth: {mode: basic, username: gate, password_file: f}}}`, ""},
	{"registries on this machine and in private networks",
		"registries: {a: {upstreams: [\"http://[::1]:5000\"]}, b: {upstreams: [\"http://[fd00::1]\"]}, c: {upstreams: [\"unix:///run/r\"]}}\nroutes: [{repository: a, registry: a}, {repository: b, registry: b}, {registry: c}]", ""},
	{"public name without a certificate",
		"registries: {a: {upstreams: [\"http://10.0.0.1\"]}}\nlisten: {public_url: \"https://r.example.org\"}",
		"5: listen.public_url: r.example.org is none of tls.hosts, so whatever stands before the gate must have the certificate for it"},
	{"one audience for two registries",
		"registries:\n  a: {upstreams: [\"http://10.0.0.1\"], auth: &t {mode: token, issuer: i, service: s}}\n  b: {upstreams: [\"http://10.0.0.2\"], auth: *t}\nroutes: [{repository: a, registry: a}, {registry: b}]",
		"5: registries.b.auth.service: is that of registry a as well, so a token for one of them opens the other"},
	{"a variable as a shell has it", `registries: {a: {upstreams: ["http://10.0.0.1"], auth: {mode: basic, username: g, password: "${GATE_PW}"}}}`,
		"4: registries.a.auth.password: is used as it is written; a variable of the environment is ${env:GATE_PW}"},
	{"public port", "registries: {a: {upstreams: [\"http://10.0.0.1\"]}}\nlisten: {public_url: \"https://registry.example.com:8443\"}", ""},
}

// TestNoRuleIsWorthAWarning: a file that grants nothing is valid, and hardly
// meant, unless the registry decides.
func TestNoRuleIsWorthAWarning(t *testing.T) {
	for auth, want := range map[string]bool{"none": true, "{mode: forward, check: false}": false} {
		path := filepath.Join(t.TempDir(), "regate.yaml")
		write(t, path, strings.Replace(minimal, "[{match: {}, actions: [pull]}]", "[]", 1)+`registries: {a: {upstreams: ["http://10.0.0.11:5000"], auth: `+auth+`}}`)
		f, err := load(path, noEnv)
		must(t, err)
		if got := said(f.Warnings); strings.Contains(got, "there is no rule") != want {
			t.Errorf("auth %s: warnings are %q", auth, got)
		}
	}
}

// CAs know of two ports alone. A router may lead them to others.
func TestChallengePorts(t *testing.T) {
	for _, tt := range []struct {
		name, listen, acme string
		warns              bool
	}{
		{"as usual", `{}`, "", false},
		{"https elsewhere", `{https: ":8443"}`, "", false},
		{"http elsewhere", `{http: ":8080"}`, "", false},
		{"https alone, elsewhere", `{https: ":8443", http: ""}`, "", true},
		{"both elsewhere", `{https: "[::]:8443", http: "127.0.0.1:8080"}`, "", true},
		{"both elsewhere, with a public address", `{https: ":8443", http: ":8080", public_url: "https://registry.example.com"}`, "", false},
		{"proved in the DNS", `{https: ":8443", http: ""}`, `, dns: {exec: {command: [/bin/dns]}}`, false},
	} {
		path := filepath.Join(t.TempDir(), "regate.yaml")
		write(t, path, strings.Replace(minimal, "mode: internal", "acme: {email: ops@example.com"+tt.acme+"}", 1)+
			"listen: "+tt.listen+"\nregistries: {a: {upstreams: [\"http://10.0.0.11:5000\"]}}")
		f, err := load(path, noEnv)
		must(t, err)
		if got := said(f.Warnings); strings.Contains(got, "listen: CAs connect to port 443 or 80") != tt.warns {
			t.Errorf("%s: warnings %q", tt.name, got)
		}
	}
}

// TestUncheckedRegistryNeedsNoUsers: whoever it knows logs in there.
func TestUncheckedRegistryNeedsNoUsers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "regate.yaml")
	write(t, path, "tls: {hosts: [registry.example.com], mode: internal}\nregistries: {a: {upstreams: [\"http://10.0.0.11:5000\"], auth: {mode: forward, check: false}}}\n")
	if _, err := load(path, noEnv); err != nil {
		t.Error(err)
	}
}

func TestWarnings(t *testing.T) {
	for _, tt := range warningTests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "regate.yaml")
			write(t, path, minimal+tt.file)
			f, err := load(path, noEnv)
			must(t, err)
			if got := said(f.Warnings); got != tt.want {
				t.Errorf("warnings are\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// TestWarningsHideNoMistake has more warnings than are told before a mistake.
func TestWarningsHideNoMistake(t *testing.T) {
	path := filepath.Join(t.TempDir(), "regate.yaml")
	text := minimal + "registries: {a: {upstreams: [\"http://10.0.0.11:5000\"], auth: {mode: token, issuer: regate, service: a}}}\nroutes:\n"
	for i := range 2 * maxMistakes {
		text += fmt.Sprintf("  - {ns: dokcer.io, repository: team%d/*, registry: a}\n", i)
	}
	write(t, path, text+"log: {level: loud}\n")
	_, err := load(path, noEnv)
	if err == nil || strings.Count(err.Error(), "\n") != 1 || !strings.Contains(err.Error(), "registries.a.auth.issuer: ") || !strings.Contains(err.Error(), "log.level: ") {
		t.Errorf("load() = %v", err)
	}
}

// TestMessagesHaveNoControlCharacters: what is in a file can neither move the
// cursor nor look like a line of ours.
func TestMessagesHaveNoControlCharacters(t *testing.T) {
	for text, want := range map[string]string{
		`"hub\u001b": {kind: mirror, ns: docker.io}, hubb: {upstreams: ["http://10.0.0.11"]}}` + "\nroutes: [{registry: hubc}, {registry: \"hub\\u001b\"}]": `did you mean hub\x1b?`,
		`a: {kind: mirror, ns: docker.io, mirror: {hosts: ["h\u202e", "h\u202e"]}}}`:                                                                        `h\u202e stands here twice`,
	} {
		path := filepath.Join(t.TempDir(), "regate.yaml")
		write(t, path, minimal+"registries: {"+text)
		var wrong *Error
		if _, err := load(path, noEnv); !errors.As(err, &wrong) || !strings.Contains(err.Error(), want) {
			t.Errorf("load() = %q, want %s", err, want)
			continue
		}
		for _, m := range wrong.Mistakes {
			if line := m.String(); strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q", line)
			}
		}
	}
}

func TestControlSocket(t *testing.T) {
	f := defaults()
	if got, want := f.ControlSocket(), "/var/lib/regate/control.sock"; got != want {
		t.Errorf("ControlSocket() = %s, want %s", got, want)
	}
	f.State.Path, f.Listen.Control = "/s", "/run/c"
	if got := f.ControlSocket(); got != "/run/c" {
		t.Errorf("ControlSocket() = %s, want /run/c", got)
	}
}

func TestExplain(t *testing.T) {
	f, err := load("testdata/paths/regate.yaml", noEnv)
	must(t, err)
	var all problem.List
	all.Addf("auth.password_file", "is empty")
	all.Warnf("tls.ca", "is old")
	all.Addf("tls.cert", "is no certificate")
	want := "testdata/paths/regate.yaml:11: registries.a.auth.password_file: is empty\n" +
		"testdata/paths/regate.yaml:12: registries.a.tls.cert: is no certificate"
	if got := f.Explain("registries.a", all.Err()); got.Error() != want {
		t.Errorf("Explain() =\n%v\nwant\n%s", got, want)
	}
	f.path = "none.yaml"
	if got := f.Explain("tls", errors.New("no")); got.Error() != "none.yaml:1: tls: no" {
		t.Errorf("Explain() without a file = %v", got)
	}
}

// TestCallbacksElsewhere: a browser that is sent to another name comes without
// the cookie of its login, or not at all.
func TestCallbacksElsewhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "regate.yaml")
	write(t, path, `tls: {hosts: ["*.example.com"], mode: internal}
registries: {a: {upstreams: ["http://10.0.0.11:5000"]}}
auth:
  gitlab_auth: {client_id: c, client_secret: s, organization: a, redirect_uri: "https://registry.example.com:8443/gitlab_auth"}
  oidc_auth: {client_id: c, client_secret: s, issuer: "https://i.example.com", redirect_url: "https://gate.example.org/oidc_auth"}
  acl: [{match: {}, actions: [pull]}]
`)
	f, err := load(path, noEnv)
	must(t, err)
	want := "5: auth.oidc_auth.redirect_url: gate.example.org is neither one of tls.hosts nor listen.public_url's, so nobody who is sent there comes back to the gate"
	if got := said(f.Warnings); got != want {
		t.Errorf("warnings are\n%s\nwant\n%s", got, want)
	}
}

func TestExpirationIsInSeconds(t *testing.T) {
	for text, want := range map[string]string{
		"15m": "15m is written in seconds: 900", "1h30m": "1h30m is written in seconds: 5400", "900": "", "1.5": "expected a whole number, got \"1.5\"", "900ms": "expected a whole number, got \"900ms\"",
	} {
		path := filepath.Join(t.TempDir(), "regate.yaml")
		write(t, path, strings.Replace(minimal, "auth: {", "auth: {token: {expiration: "+text+"}, ", 1)+"registries: {a: {upstreams: [\"http://10.0.0.11:5000\"]}}\n")
		_, err := load(path, noEnv)
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasSuffix(err.Error(), ":3: auth.token.expiration: "+want)) {
			t.Errorf("expiration: %s: %v, want %q", text, err, want)
		}
	}
}

func TestZeroIsNoDefault(t *testing.T) {
	path := filepath.Join(t.TempDir(), "regate.yaml")
	text := strings.Replace(minimal, "auth: {", `auth: {google_auth: {client_id: c, client_secret: s, domain: x.test, max_age: 0s, revalidate_after: 0h, http_timeout: 0s}, `, 1)
	write(t, path, text+"registries: {a: {upstreams: [\"http://10.0.0.11:5000\"]}}\n")
	_, err := load(path, noEnv)
	for _, want := range []string{"max_age: 0s is", "revalidate_after: 0h is", "http_timeout: 0s is no time to wait; leave the key out for the default"} {
		if err == nil || !strings.Contains(err.Error(), "3: auth.google_auth."+want) {
			t.Errorf("load() = %v, want %s", err, want)
		}
	}
}
