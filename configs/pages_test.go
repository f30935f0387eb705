package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// around is what the examples of a page leave out.
const around = `
tls: {hosts: [registry.example.com], mode: internal}
registries: {main: {upstreams: ["http://127.0.0.1:5000"]}}
`

// TestPagesOnLogins: each example for the gate on these pages loads without a
// remark but that a rule is missing, and each for others is YAML.
func TestPagesOnLogins(t *testing.T) {
	for _, page := range []string{"github-actions.md", "gitlab-ci.md", "kubernetes-logins.md", "tokens.md"} {
		text, err := os.ReadFile(filepath.Join("..", "docs", page))
		if err != nil {
			t.Fatal(err)
		}
		ours, others := 0, 0
		for _, block := range strings.Split(string(text), "```yaml\n")[1:] {
			example, _, _ := strings.Cut(block, "```")
			if !strings.HasPrefix(example, "auth:\n") {
				others++
				if err := yaml.Unmarshal([]byte(example), new(map[string]any)); err != nil {
					t.Errorf("%s: %v\n%s", page, err, example)
				}
				continue
			}
			ours++
			path := filepath.Join(t.TempDir(), "regate.yaml")
			if err := os.WriteFile(path, []byte(around+example), 0o600); err != nil {
				t.Fatal(err)
			}
			file, err := Load(path)
			if err != nil {
				t.Errorf("%s: %v\n%s", page, err, example)
				continue
			}
			for _, w := range file.Warnings {
				if !strings.Contains(example, "acl:") && strings.HasPrefix(w.Path, "auth.acl") {
					continue
				}
				t.Errorf("%s: %+v", page, w)
			}
		}
		if ours == 0 || others == 0 && page != "tokens.md" {
			t.Errorf("%s has %d examples for the gate and %d for others", page, ours, others)
		}
	}
}
