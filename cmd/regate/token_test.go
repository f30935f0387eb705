package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/cmd/internal/gate"
)

func TestTokenMistakes(t *testing.T) {
	good := configFile(t, rules)
	create := func(more ...string) []string { return append([]string{"token", "create", "-c", good}, more...) }
	robot := func(more ...string) []string {
		return create(append([]string{"--owner", "team-ci", "--robot", "deploy", "--expires", "90d"}, more...)...)
	}
	for _, tt := range []struct {
		name     string
		args     []string
		wantCode int
		want     string
	}{
		{"help", []string{"token"}, 0, ""},
		{"misspelt", []string{"token", "crate"}, 2, "did you mean regate token create?"},
		{"no owner", create("--name", "laptop"), 2, "say whose it is: --owner\nSee `regate token create --help`.\n"},
		{"no name", create("--owner", "alice"), 2, "--name for a personal token, or --robot"},
		{"both", create("--owner", "alice", "--name", "x", "--robot", "y"), 2, "one of them"},
		{"robot without an end", create("--owner", "alice", "--robot", "y"), 2, "--expires, or --endless"},
		{"name of a robot", create("--owner", "alice", "--robot", "a b", "--endless"), 2, `"a b" is none for a robot`},
		{"name that cannot be shown", create("--owner", "alice", "--name", "a\x1bb"), 2, `"a\x1bb" has characters that cannot be shown`},
		{"two ends", robot("--endless"), 2, "contradict each other"},
		{"no time", create("--owner", "a", "--robot", "b", "--expires", "soon"), 2, `--expires "soon" is no time: write it as 30m, 24h or 90d`},
		{"time below zero", create("--owner", "a", "--robot", "b", "--expires", "-3h"), 2, "is no time"},
		{"days below zero", create("--owner", "a", "--robot", "b", "--expires", "-3d"), 2, "is no time"},
		{"very many days", create("--owner", "a", "--robot", "b", "--expires", "999999999999d"), 2, "is no time"},
		{"no time at all", create("--owner", "a", "--robot", "b", "--expires", "0d"), 2, "is over already"},
		{"repository alone", robot("--repository", "team/**"), 2, "--action pull,push"},
		{"bad repository", robot("--repository", "team/[", "--action", "pull"), 2, "is no pattern"},
		{"bad action", robot("--repository", "team/*", "--action", "pull,admin"), 2, `action "admin" is unknown; there are pull, push and delete`},
		{"bad scope", robot("--scope", "team/app:pull"), 2, "write it as repository:team/app:pull,push"},
		{"scope of the catalog", robot("--scope", "registry:catalog:*"), 2, "write it as"},
		{"scope without an action", robot("--scope", "repository:team/app:"), 2, `action "" is unknown`},
		{"argument", robot("x"), 2, "takes no argument"},
		{"no gate", robot("--repository", "team/*", "--action", "pull"), 1, "no gate is running here: nothing answers at /"},
		{"list without a gate", []string{"token", "list", "-c", good}, 1, "no gate is running here"},
		{"list of no kind", []string{"token", "list", "-c", good, "--kind", "x"}, 2, "is none of personal, robot, refresh"},
		{"show nothing", []string{"token", "show", "-c", good}, 2, "say which: an id"},
		{"show two", []string{"token", "show", "-c", good, "a", "b"}, 2, "takes one id"},
		{"show the token", []string{"token", "show", "-c", good, "rgt_x_y"}, 2, "that is a token"},
		{"show without a gate", []string{"token", "show", "-c", good, "x"}, 1, "no gate is running here"},
		{"rotate nothing", []string{"token", "rotate", "-c", good}, 2, "say which robot: --owner and --robot"},
		{"rotate and keep", []string{"token", "rotate", "-c", good, "--owner", "a", "--robot", "b", "--keep", "x"}, 2, `--keep "x" is no time`},
		{"rotate without a gate", []string{"token", "rotate", "-c", good, "--owner", "a", "--robot", "b", "--keep", "0s"}, 1, "no gate is running here"},
		{"delete nothing", []string{"token", "delete", "-c", good}, 2, "an id, or --owner and --robot"},
		{"delete half a robot", []string{"token", "delete", "-c", good, "--owner", "a"}, 2, "an id, or --owner and --robot"},
		{"delete both", []string{"token", "delete", "-c", good, "x", "--owner", "a", "--robot", "b"}, 2, "an id, or --owner and --robot"},
		{"delete without a gate", []string{"token", "delete", "-c", good, "x"}, 1, "no gate is running here"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out, errText := called(t, "", tt.args...)
			if code != tt.wantCode || !strings.Contains(errText, tt.want) || code != 0 && out != "" {
				t.Errorf("regate %q: exit %d\n%s%s\nwant %d, %q", tt.args, code, out, errText, tt.wantCode, tt.want)
			}
		})
	}
}

func TestEachTokenCommandHasAnExample(t *testing.T) {
	for _, c := range tokenCommand(streams{}).Commands() {
		if c.Example == "" || c.Short == "" || c.Long == "" || c.RunE == nil {
			t.Errorf("%s has no example or no description", c.Name())
		}
	}
}

// runGate runs a gate with an account of robots, and returns its configuration.
func runGate(t *testing.T) (config string) {
	t.Helper()
	config = filepath.Join(t.TempDir(), "regate.yaml")
	text := `listen: {https: "127.0.0.1:0", http: "", admin: "127.0.0.1:0", grace: 0s}
tls: {hosts: [127.0.0.1], mode: internal}
registries: {main: {upstreams: ["http://127.0.0.1:1"]}}
auth: {users: {"team-ci": {no_password: true}, "alice": {password: "` + hash + `"}}, acl: [{match: {account: "team-ci"}, actions: ["*"]}]}
state: {path: "` + t.TempDir() + `"}
`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(config + ".log")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- gate.Serve(ctx, gate.Options{Path: config, Log: log, Ready: func(gate.Facts) { close(ready) }})
	}()
	t.Cleanup(func() { stop(); <-ended; _ = log.Close() })
	select {
	case <-ready:
	case err := <-ended:
		ended <- err
		t.Fatal(err)
	case <-time.After(time.Minute):
		t.Fatal("the gate does not begin")
	}
	return config
}

var tokenLine = regexp.MustCompile(`^rgt_([0-9A-Za-z]{14})_[0-9A-Za-z]{49}\n$`)

// TestTokenCommands: what is printed where, by each of them.
func TestTokenCommands(t *testing.T) {
	config := runGate(t)
	token := func(wantCode int, args ...string) (out, errText string) {
		t.Helper()
		code, out, errText := called(t, "", append([]string{"token", args[0], "-c", config}, args[1:]...)...)
		if code != wantCode {
			t.Fatalf("regate token %q: exit %d\n%s%s", args, code, out, errText)
		}
		return out, errText
	}
	made := func(want string, args ...string) (id string) {
		t.Helper()
		out, errText := token(0, args...)
		found := tokenLine.FindStringSubmatch(out)
		if found == nil || !strings.Contains(errText, want) || !strings.Contains(errText, "Its id is "+found[1]+".") || strings.Contains(errText, out[20:30]) {
			t.Fatalf("regate token %q:\n%s%s\nwant %q", args, out, errText, want)
		}
		return found[1]
	}
	robot := []string{"--owner", "team-ci", "--robot", "deploy"}
	if out, _ := token(0, "list"); out != "There are none. What docker was given at its logins is listed with --kind refresh, or --owner.\n" {
		t.Errorf("none at all: %q", out)
	}
	first := made(`The secret of the robot "deploy" of team-ci, for team/**:pull,push base/*:pull, good until 20`,
		append([]string{"create", "--expires", "90d", "--repository", "team/**", "--action", "pull,push", "--scope", "repository:base/*:pull"}, robot...)...)
	if _, errText := token(1, append([]string{"create", "--endless"}, robot...)...); !strings.Contains(errText, "there is such a robot already") {
		t.Errorf("a second one: %s", errText)
	}
	if _, errText := token(1, "create", "--owner", "mallory", "--name", "x"); !strings.Contains(errText, `nobody knows "mallory"`) {
		t.Errorf("of nobody: %s", errText)
	}
	laptop := made(`The token "laptop" of alice, for all that the owner may, good until 20`, "create", "--owner", "alice", "--name", "laptop")
	made("for **:pull, good", "create", "--owner", "alice", "--name", "reader", "--action", "pull")
	second := made("The secret "+first+", which it has, is good until 20", append([]string{"rotate", "--keep", "1d"}, robot...)...)

	out, _ := token(0, "list")
	for _, want := range []string{"ID  ", "OWNER", first + "  team-ci  robot     deploy", ", replaced", "team/**:pull,push base/*:pull", laptop, "never"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	out, _ = token(0, "list", "--owner", "team-ci", "--json")
	var all []gate.TokenInfo
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 2 || all[0].ID != first && all[1].ID != first || all[0].Replaced != (all[0].ID == first) || all[1].Replaced != (all[1].ID == first) {
		t.Errorf("regate token list --json = %v\n%s", err, out)
	}
	if out, _ := token(0, "list", "--owner", "nobody", "--json"); out != "[]\n" {
		t.Errorf("none, as JSON: %q", out)
	}
	if out, _ := token(0, "list", "--owner", "nobody"); out != "There are none.\n" {
		t.Errorf("none: %q", out)
	}
	if out, _ := token(0, "show", laptop); !strings.Contains(out, "vouched by  users\n") || !strings.Contains(out, "name        laptop\n") {
		t.Errorf("regate token show:\n%s", out)
	}
	var one gate.TokenInfo
	out, _ = token(0, "show", second, "--json")
	if err := json.Unmarshal([]byte(out), &one); err != nil || one.Within[0].Repository != "team/**" {
		t.Errorf("regate token show --json = %v\n%s", err, out)
	}
	out, _ = token(0, "create", "--owner", "alice", "--name", "json", "--json")
	var text gate.NewToken
	if err := json.Unmarshal([]byte(out), &text); err != nil || !tokenLine.MatchString(text.Text+"\n") || text.Token.Name != "json" {
		t.Errorf("regate token create --json = %v", err)
	}

	if out, _ := token(0, "delete", laptop); out != laptop+" has ended: the token \"laptop\" of alice, for all that the owner may\n" {
		t.Errorf("regate token delete: %s", out)
	}
	if _, errText := token(1, "delete", laptop); !strings.Contains(errText, "unknown token: none has the id \""+laptop+"\" (any more)") {
		t.Errorf("twice: %s", errText)
	}
	made("The secret "+second+", which it had, has ended.", append([]string{"rotate", "--keep", "0s"}, robot...)...)
	if out, _ := token(0, append([]string{"delete"}, robot...)...); strings.Count(out, " has ended: ") != 1 {
		t.Errorf("regate token delete of a robot: %s", out)
	}
}
