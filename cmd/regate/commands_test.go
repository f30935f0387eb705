package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regate/regate/authsvc/password"
)

// called runs a command line.
func called(t *testing.T, input string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	errFile, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer errFile.Close()
	var out strings.Builder
	code = run(t.Context(), args, streams{strings.NewReader(input), &out, errFile})
	text, err := os.ReadFile(errFile.Name())
	if err != nil {
		t.Fatal(err)
	}
	return code, out.String(), string(text)
}

const hash = "$2a$04$abcdefghijklmnopqrstuuIcwSWbZqIZkYfWXfNKHpXNuYuCe2Rbi"

func configFile(t *testing.T, auth string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "regate.yaml")
	text := fmt.Sprintf(`tls: {hosts: [registry.example.com], mode: internal}
registries:
  open: {upstreams: ["http://127.0.0.1:5000"]}
  strict: {upstreams: ["http://127.0.0.1:5001"], auth: {mode: token, issuer: regate-strict, service: strict}}
  passing: {upstreams: ["http://127.0.0.1:5002"], auth: forward}
routes:
  - {repository: "strict/**", registry: strict}
  - {repository: "passing/**", registry: passing}
  - {registry: open}
state: {path: %q}
auth:
  token: {issuer: regate, service: registry}
  users:
    "admin": {password: %q}
    "alice": {password: %q, labels: {team: [web]}}
%s`, t.TempDir(), hash, hash, auth)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const rules = `  acl:
    - {match: {account: "admin"}, actions: ["*"]}
    - {match: {name: "${labels:team}/*"}, actions: [pull]}
    - {match: {account: "admin", name: "x"}, actions: []}
`

func TestCommands(t *testing.T) {
	good := configFile(t, rules)
	asking := configFile(t, rules+"  ext_auth: {url: https://accounts.test/login}\n  ext_authz: {command: /bin/false}\n")
	stored := configFile(t, rules+"  acl_xorm: {database_type: sqlite3, conn_string: /nowhere/auth.db}\n")
	both := configFile(t, rules+"  acl_xorm: {database_type: sqlite3, conn_string: /nowhere/auth.db}\n  ext_authz: {command: /bin/false}\n")
	absent := configFile(t, rules+"  ext_auth: {command: /nowhere/login}\n  ext_authz: {command: /nowhere/may}\n")
	unreadable := configFile(t, rules)
	text, _ := os.ReadFile(unreadable)
	text = []byte(strings.Replace(string(text), `127.0.0.1:5000"]`, `127.0.0.1:5000"], auth: {mode: basic, username: u, password_file: /nowhere/password}`, 1))
	if err := os.WriteFile(unreadable, text, 0o600); err != nil {
		t.Fatal(err)
	}
	broken := configFile(t, rules+"  usres: {}\n  colour: red\n")
	for _, tt := range []struct {
		name           string
		args           []string
		wantCode       int
		wantOut, wantE string
	}{
		{"help", []string{"--help"}, 0, "regate serve -c regate.yaml", ""},
		{"no command", nil, 0, "Available Commands", ""},
		{"version", []string{"version"}, 0, "regate dev (go", ""},
		{"unknown command", []string{"sevre"}, 2, "", `there is no command "sevre"; did you mean regate serve?`},
		{"misspelt command", []string{"chek"}, 2, "", "did you mean regate check?\nSee `regate --help`.\n"},
		{"command one level down", []string{"dockerauth"}, 2, "", "did you mean regate import docker_auth?"},
		{"no such command", []string{"frobnicate"}, 2, "", "there is no command \"frobnicate\"\n"},
		{"unknown flag", []string{"serve", "--fast"}, 2, "", "unknown flag: --fast\nSee `regate serve --help`.\n"},
		{"argument too many", []string{"check", "x"}, 2, "", "takes no argument"},
		{"check", []string{"check", "-c", good}, 0, "ok\n", ""},
		{"check finds all", []string{"check", "-c", broken}, 1, "", "auth.usres"},
		{"and the other", []string{"check", "-c", broken}, 1, "", "auth.colour"},
		{"check warns", []string{"check", "-c", good}, 0, "ok", "warning: auth.acl[2] can never match: auth.acl[0] comes first"},
		{"check reads what the file names", []string{"check", "-c", unreadable}, 1, "", "registries.open.auth.password_file: open /nowhere/password"},
		{"check looks for the program", []string{"check", "-c", absent}, 1, "", "auth.ext_auth.command: "},
		{"and for the other", []string{"check", "-c", absent}, 1, "", "auth.ext_authz.command: "},
		{"no file", []string{"check", "-c", "/nowhere/regate.yaml"}, 1, "", "/nowhere/regate.yaml"},
		{"no gate", []string{"reload", "-c", good}, 1, "", "no gate is running here: nothing answers at /"},
		{"revoke nothing", []string{"revoke", "-c", good}, 2, "", "say what to revoke: --subject, --family or --token"},
		{"revoke both", []string{"revoke", "-c", good, "--subject", "", "--token", "x"}, 2, "", "one of them"},
		{"revoke by the secret itself", []string{"revoke", "-c", good, "--family", "rgt_x_y"}, 2, "", "--family is the id alone"},
		{"revoke by the token itself", []string{"revoke", "-c", good, "--token", "eyJ.e30.x"}, 2, "", "--token is the id alone"},
		{"revoke a secret as a token", []string{"revoke", "-c", good, "--token", "rgt_x_y"}, 2, "", "--token is the id alone"},
		{"revoke a secret as a subject", []string{"revoke", "-c", good, "--subject", "rgt_x_y"}, 2, "", "--subject is the account"},
		{"revoke a family without a gate", []string{"revoke", "-c", good, "--family", "x"}, 1, "", "no gate is running here"},
		{"revoke without a gate", []string{"revoke", "-c", good, "--subject", "alice"}, 1, "", "no gate is running here: nothing answers at /"},
		{"explain", []string{"explain", "-c", good, "--user", "alice", "--scope", "repository:web/shop:pull,push"}, 0, "acl[1]  decides", ""},
		{"explain says where the rule is", []string{"explain", "-c", good, "--user", "alice", "--scope", "repository:web/shop:pull,push"}, 0, "\n          " + good + ":", ""},
		{"explain a label", []string{"explain", "-c", good, "--user", "bob", "--label", "team=ops", "--scope", "repository:ops/x:pull"}, 0, "granted   pull\n", ""},
		{"explain says what never matches", []string{"explain", "-c", good, "--scope", "repository:x:pull"}, 0, "acl[2] can never match: acl[0] comes first", ""},
		{"explain does not ask", []string{"explain", "-c", asking, "--user", "bob", "--scope", "repository:ops/x:pull"}, 0, "granted   what ext_authz says\n  acl[0]  does not match: ", ""},
		{"explain knows no rules of a database", []string{"explain", "-c", stored, "--user", "bob", "--scope", "repository:ops/x:pull"}, 0, "granted   what acl_xorm says\n  acl[0]  does not match: ", ""},
		{"and says so", []string{"explain", "-c", stored, "--user", "bob", "--scope", "repository:ops/x:pull"}, 0, "no rule matches, so acl_xorm would be asked\n", ""},
		{"in their order", []string{"explain", "-c", both, "--user", "bob", "--scope", "repository:ops/x:pull"}, 0, "no rule matches, so acl_xorm, then ext_authz would be asked: /bin/false", ""},
		{"and as JSON", []string{"explain", "-c", both, "--user", "bob", "--scope", "repository:ops/x:pull", "--json"}, 0, "\"next\": [\n    \"acl_xorm\",\n    \"ext_authz\"\n  ]", ""},
		{"explain says who would be asked what", []string{"explain", "-c", asking, "--user", "bob", "--scope", "repository:ops/x:pull"}, 0, "no rule matches, so ext_authz would be asked: /bin/false", ""},
		{"explain says who would be asked about whom", []string{"explain", "-c", asking, "--user", "bob", "--scope", "repository:ops/x:pull"}, 0, "ext_auth would be asked about it, and could give it others: https://accounts.test/login", ""},
		{"explain without a scope", []string{"explain", "-c", good}, 2, "", "--scope is missing"},
		{"explain an odd address", []string{"explain", "-c", good, "--ip", "x", "--scope", "repository:x:pull"}, 2, "", `--ip "x" is no address`},
		{"hash without input", []string{"hash"}, 1, "", "the input holds no password"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out, errText := called(t, "", tt.args...)
			if code != tt.wantCode || !strings.Contains(out, tt.wantOut) || !strings.Contains(errText, tt.wantE) {
				t.Errorf("regate %q: exit %d\n%s%s\nwant %d, %q, %q", tt.args, code, out, errText, tt.wantCode, tt.wantOut, tt.wantE)
			}
		})
	}
}

func TestHash(t *testing.T) {
	code, out, _ := called(t, "pass word\nsecond line\n", "hash", "--cost", "4")
	line := strings.TrimSuffix(out, "\n")
	if code != 0 || password.Cost(line) != 4 {
		t.Fatalf("regate hash: %d %q", code, out)
	}
	pool := password.NewPool(password.Options{})
	if err := pool.Compare(t.Context(), line, "pass word"); err != nil {
		t.Errorf("the hash is not of the first line: %v", err)
	}
	if code, _, errText := called(t, strings.Repeat("x", 73), "hash"); code != 1 || !strings.Contains(errText, "72 bytes") {
		t.Errorf("73 bytes: %d %q", code, errText)
	}
}

func TestExplainJSON(t *testing.T) {
	code, out, _ := called(t, "", "explain", "-c", configFile(t, rules), "--user", "alice", "--scope", "repository:web/shop:pull,push", "--json")
	var r report
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 {
		t.Fatalf("explain --json: %d %v\n%s", code, err, out)
	}
	if len(r.Answers) != 1 || r.Answers[0].Rule != 1 || r.Answers[0].Granted.String() != "repository:web/shop:pull" || !r.Known || len(r.Never) != 1 {
		t.Errorf("explain --json = %+v", r)
	}
}

// TestRoot: the root is made once, and the blocks have what each registry
// must be told.
func TestRoot(t *testing.T) {
	path := configFile(t, rules)
	code, first, errText := called(t, "", "root", "-c", path)
	if code != 0 {
		t.Fatalf("regate root: %d %s", code, errText)
	}
	for _, want := range []string{
		"BEGIN CERTIFICATE", "realm: https://registry.example.com/auth",
		"service: strict\n    issuer: regate-strict", "service: registry\n    issuer: regate\n", "Registry open: sees no token of the gate",
		"\n# Token root: sha256:", "\n# CA: sha256:", "regate trust https://registry.example.com --install --fingerprint sha256:",
	} {
		if !strings.Contains(first, want) {
			t.Errorf("regate root prints no %q:\n%s", want, first)
		}
	}
	if _, second, _ := called(t, "", "root", "-c", path); second != first {
		t.Error("a second call prints another root")
	}
	if strings.Count(first, "BEGIN CERTIFICATE") != 1 {
		t.Error("regate root prints a second certificate, which registries may be given by mistake")
	}
	if strings.Contains(first, "PRIVATE") {
		t.Error("regate root prints the private key")
	}

	dir := t.TempDir()
	if code, _, errText := called(t, "", "root", "-c", path, "--export", dir); code != 0 {
		t.Fatalf("regate root --export: %d %s", code, errText)
	}
	info, err := os.Stat(filepath.Join(dir, "token-root.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("exported key: %v, %v", info, err)
	}
	if code, _, _ := called(t, "", "root", "-c", path, "--export", dir); code != 1 {
		t.Error("--export writes over a key")
	}
}

func TestEveryCommandHasAnExample(t *testing.T) {
	for _, c := range newRoot(streams{}).Commands() {
		if c.Example == "" || c.Short == "" {
			t.Errorf("%s has no example or no description", c.Name())
		}
	}
}

// TestHelpIsInColumns: the width of a flag is counted in bytes.
func TestHelpIsInColumns(t *testing.T) {
	_, out, _ := called(t, "", "trust", "--help")
	_, flags, _ := strings.Cut(out, "Flags:\n")
	for line := range strings.Lines(flags) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), "   ")
		if strings.HasPrefix(name, "-") && strings.ContainsFunc(name, func(r rune) bool { return r > 0x7f }) {
			t.Errorf("%q pushes its description aside", name)
		}
	}
	if flags == "" {
		t.Error("there are no flags")
	}
}
