package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
	"github.com/regate/regate/e2e/tool"
)

// The people of the examples in docs/programs.md.
const (
	ownerPassword = "shop-keeper"   // carol, of the team shop
	guestPassword = "just visiting" // alice, of no team
	hookToken     = "hook-token-of-the-gate"
)

// An outside is who is asked about accounts and rights.
type outside struct {
	config string // of the gate, below auth
	fail   func() // has it tell nothing more
}

var outsides = []struct {
	name  string
	start func(*testing.T) outside
}{
	{"program", programs},
	{"hook", hooks},
}

// TestExt logs people in whom only a program or a hook knows, with the
// examples of the documentation, and has it fail then.
func TestExt(t *testing.T) {
	t.Parallel()
	for _, form := range outsides {
		t.Run(form.name, func(t *testing.T) {
			t.Parallel()
			asked := form.start(t)
			s := startAsking(t, asked.config)
			s.worksOutside(t)
			asked.fail()
			s.worksWithoutOutside(t)
		})
	}
}

func startAsking(t *testing.T, config string) *site {
	t.Helper()
	s := &site{gate: testbed.NewGate(t, testbed.NewCA(t))}
	addr := testbed.LocalAddr()
	s.gate.Configure(t, fmt.Sprintf("registries: {main: {upstreams: [\"http://%s\"]}}%s%s", addr, rules(t), config))
	s.registry = testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Registry3, Addr: addr})
	s.gate.Start(t)
	return s
}

// worksOutside: carol is of the team shop and does there what she wants,
// everybody else pulls.
func (s *site) worksOutside(t *testing.T) {
	t.Helper()
	owner, guest, wrong := s.client(t, "crane"), s.client(t, "crane"), s.client(t, "crane")
	must(t, owner.Login("carol", ownerPassword))
	must(t, guest.Login("alice", guestPassword))
	must(t, wrong.Login("carol", "not-her-password"))
	digest, err := owner.Push("shop/app", version)
	must(t, err)
	if got, err := guest.Pull("shop/app:" + version); err != nil || got != digest {
		t.Errorf("pull of a guest: %s, %v; want %s", got, err, digest)
	}
	if _, err := guest.Push("shop/other", version); err == nil || !strings.Contains(err.Error(), "UNAUTHORIZED") {
		t.Errorf("push of a guest: %v", err)
	}
	if _, err := wrong.Pull("shop/app:" + version); err == nil || !strings.Contains(err.Error(), "UNAUTHORIZED") {
		t.Errorf("pull with a wrong password: %v", err)
	}
	if status, body := s.login(t, "nobody", "x", "repository:shop/app:pull"); status != 401 {
		t.Errorf("an unknown account gets %d %s", status, body)
	}
	if scope := s.scope(t, "alice", guestPassword, "repository:shop/app:pull,push repository:pub/x:pull"); scope != "repository:pub/x:pull repository:shop/app:pull" {
		t.Errorf("a guest is granted %q", scope)
	}
}

// worksWithoutOutside: what the file knows works, the rest is no refusal.
func (s *site) worksWithoutOutside(t *testing.T) {
	t.Helper()
	dev := s.client(t, "crane")
	must(t, dev.Login("dev", devPassword))
	if _, err := dev.Push("team/app", version); err != nil {
		t.Errorf("push of a user of the file: %v", err)
	}
	for _, tt := range []struct{ what, user, password, scope string }{
		{"somebody who is not in the file", "erin", "erins-password", ""},
		{"somebody who logged in a moment ago, for what no rule decides", "carol", ownerPassword, "repository:shop/app:pull"},
		{"a user of the file, for what no rule decides", "dev", devPassword, "repository:team/app:pull repository:shop/app:pull"},
	} {
		status, body := s.login(t, tt.user, tt.password, tt.scope)
		var reply struct {
			Errors []struct{ Code string }
		}
		if err := json.Unmarshal(body, &reply); err != nil || status != 503 || len(reply.Errors) != 1 || reply.Errors[0].Code != "UNAVAILABLE" {
			t.Errorf("%s gets %d %s", tt.what, status, body)
		}
	}
}

// login asks for a token, and returns whatever comes.
func (s *site) login(t *testing.T, user, password, scope string) (status int, body []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.gate.URL+"/auth?"+url.Values{"service": {"registry"}, "scope": {scope}}.Encode(), nil)
	must(t, err)
	req.SetBasicAuth(user, password)
	res, err := s.gate.CA.HTTP().Do(req)
	must(t, err)
	defer res.Body.Close()
	body, err = io.ReadAll(res.Body)
	must(t, err)
	if status = res.StatusCode; status == 503 && res.Header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	return status, body
}

func (s *site) scope(t *testing.T, user, password, scope string) string {
	t.Helper()
	status, body := s.login(t, user, password, scope)
	var reply struct{ Scope string }
	if err := json.Unmarshal(body, &reply); err != nil || status != 200 {
		t.Errorf("%s gets %d %s", user, status, body)
	}
	return reply.Scope
}

// programs are the two of the documentation. They fail as those that have lost
// what they ask.
func programs(t *testing.T) outside {
	t.Helper()
	dir := testbed.Dir(t)
	accounts := filepath.Join(dir, "htpasswd")
	save(t, accounts, "")
	for user, password := range map[string]string{"carol": ownerPassword, "alice": guestPassword} {
		testbed.Run(t, testbed.Command{Program: "htpasswd", Args: []string{"-im", accounts, user}, Dir: dir, Stdin: password}) // not bcrypt
	}
	save(t, filepath.Join(dir, "groups"), "ops: root\nshop: erin carol\n")
	login, may := documented(t, dir, "/usr/local/bin/apache-login"), documented(t, dir, "/usr/local/bin/may")
	return outside{
		config: fmt.Sprintf("  ext_auth: {command: %s, args: [%s], timeout: 30s}\n  ext_authz: {command: %s, timeout: 30s}\n", login, dir, may),
		fail: func() {
			must(t, os.Remove(login))
			save(t, may, "#!/usr/bin/env python3\nraise SystemExit(70)\n")
		},
	}
}

// hooks are the two of the documentation in one server, and a guest's account
// more.
func hooks(t *testing.T) outside {
	t.Helper()
	dir := testbed.Dir(t)
	token := filepath.Join(dir, "token")
	save(t, token, hookToken+"\n")
	script := documented(t, dir, "hook.py")
	text, err := os.ReadFile(script)
	must(t, err)
	guest := fmt.Sprintf("\nACCOUNTS[\"alice\"] = (\"salt\", scrypt(\"salt\", %q), [])\n\nclass Hook", guestPassword)
	save(t, script, strings.Replace(string(text), "\nclass Hook", guest, 1))
	addr := testbed.LocalAddr()
	_, port, _ := strings.Cut(addr, ":")
	p := testbed.Start(t, testbed.Command{Program: "python3", Args: []string{script, port, token}, Dir: dir})
	p.Await(t, func() error {
		res, err := http.Get("http://" + addr)
		if err == nil {
			res.Body.Close()
		}
		return err
	})
	return outside{
		config: fmt.Sprintf("  ext_auth: {url: \"http://%s/login\", token_file: %s, timeout: 30s}\n  ext_authz: {url: \"http://%s/may\", token_file: %s, timeout: 30s}\n", addr, token, addr, token),
		fail:   func() { p.Stop(t) },
	}
}

// documented writes the example of docs/programs.md that begins with this name.
func documented(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tool.Root(), "docs", "programs.md"))
	must(t, err)
	for _, block := range strings.Split(string(text), "\n```")[1:] {
		_, script, _ := strings.Cut(block, "\n")
		if _, second, _ := strings.Cut(script, "\n"); strings.HasPrefix(script, "#!/") && strings.HasPrefix(second, "# "+name) {
			file := filepath.Join(dir, filepath.Base(name))
			save(t, file, script)
			must(t, os.Chmod(file, 0o755))
			return file
		}
	}
	t.Fatalf("docs/programs.md has no example of %s", name)
	return ""
}

func save(t *testing.T, file, text string) {
	t.Helper()
	must(t, os.WriteFile(file, []byte(text), 0o600))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
