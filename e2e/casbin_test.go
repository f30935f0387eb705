package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
	"github.com/regate/regate/e2e/tool"
)

// TestCasbin has the example of the documentation decide, and its policy change.
func TestCasbin(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile(filepath.Join(tool.Root(), "docs", "casbin.md"))
	must(t, err)
	dir := testbed.Dir(t)
	block := func(kind string) string {
		_, text, ok := strings.Cut(string(doc), "```"+kind+"\n")
		if text, _, _ = strings.Cut(text, "```"); !ok {
			t.Fatalf("docs/casbin.md has no example of %s", kind)
		}
		return strings.ReplaceAll(text, "/etc/regate", dir)
	}
	policy := filepath.Join(dir, "casbin-policy.csv")
	save(t, filepath.Join(dir, "casbin-model.conf"), block("ini"))
	save(t, policy, block("csv"))
	user := func(name, labels string) string {
		return fmt.Sprintf("    %q: {password: %q, labels: {%s}}\n", name, testbed.Bcrypt(t, bobPassword), labels)
	}
	users := "auth:\n  users:\n" + user("alice", "group: [shop]") + user("bob", "group: [shop]") + user("staff", "group: [shop]") + user("ci", "") + user("root", "")
	s := startDirectory(t, strings.Replace(block("yaml"), "auth:\n", users, 1), engines{})

	wants := func(what string, all map[[2]string]string) {
		t.Helper()
		for ask, want := range all {
			if got := s.scope(t, ask[0], bobPassword, ask[1]); got != want {
				t.Errorf("%s: %s is granted %q of %s, want %q", what, ask[0], got, ask[1], want)
			}
		}
	}
	before := map[[2]string]string{
		{"alice", "repository:shop/app:pull,push,delete"}: "repository:shop/app:pull,push",
		{"alice", "repository:other/app:pull"}:            "",
		{"bob", "repository:shop/app:pull"}:               "",
		{"staff", "repository:shop/app:pull"}:             "", // the name of a role without its colon
		{"ci", "repository:any/thing:pull,push"}:          "repository:any/thing:pull",
		{"root", "repository:any/thing:pull,push"}:        "repository:any/thing:pull,push",
		{"root", "registry:catalog:*"}:                    "registry:catalog:*",
		{"alice", "registry:catalog:*"}:                   "",
	}
	wants("the example", before)

	save(t, policy, block("csv")+"g, bob, role:staff\nx, y\n")
	eventually(t, "a line about the mistake", func() bool { return strings.Contains(s.gate.Log(), `line 11: the model has no \"x\"`) })
	wants("after a mistake", before)

	save(t, policy, block("csv")+"g, bob, role:staff\n")
	eventually(t, "the role of bob", func() bool {
		return s.scope(t, "bob", bobPassword, "repository:shop/app:pull") == "repository:shop/app:pull"
	})
	save(t, policy, block("csv")+"p, bob, repository, *, registry, everywhere, ^pull$, {}\n")
	eventually(t, "no answer about bob", func() bool {
		status, _ := s.login(t, "bob", bobPassword, "repository:shop/app:pull")
		return status == 503
	})
	wants("what does not come so far", map[[2]string]string{{"ci", "repository:any/thing:pull"}: "repository:any/thing:pull"})
}
