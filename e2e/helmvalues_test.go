package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/regate/regate/e2e/testbed"
	"github.com/regate/regate/e2e/tool"
)

// TestHelmSchemaKnowsTheConfiguration: the keys of config in the schema, down to
// the second level, are those of configs/regate.yaml, where all of them stand.
func TestHelmSchemaKnowsTheConfiguration(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(tool.Root(), "configs", "regate.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want, above := map[string]bool{}, ""
	upper, lower, entry := regexp.MustCompile(`^#?([a-z_]+):`), regexp.MustCompile(`^  #?([a-z_]+):`), regexp.MustCompile(`^  (?:#?- |  #?)([a-z_]+):`)
	for line := range strings.Lines(string(text)) {
		if key := upper.FindStringSubmatch(line); key != nil {
			above = key[1]
			want[above] = true
		}
		keys := lower
		if above == "registries" || above == "routes" {
			keys = entry
		}
		if key := keys.FindStringSubmatch(line); key != nil {
			want[above+"."+key[1]] = true
		}
	}
	got := map[string]bool{}
	for name, s := range schemaOfConfig(t) {
		got[name] = true
		for key := range s.keys() {
			got[name+"."+key] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if !got[key] {
			t.Errorf("the schema refuses config.%s", key)
		}
		delete(got, key)
	}
	for key := range got {
		t.Errorf("the schema takes config.%s, which the gate refuses", key)
	}
}

// TestHelmSchemaKnowsWhatRestarts: of the sections whose mistakes a gate could
// only report by not starting, the schema has all keys, at whatever depth.
func TestHelmSchemaKnowsWhatRestarts(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(tool.Root(), "configs", "regate.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	var above []string
	for _, key := range regexp.MustCompile(`(?m)^((?:  )*)#?([a-z_]+):`).FindAllStringSubmatch(string(text), -1) {
		above = append(above[:min(len(above), len(key[1])/2)], key[2])
		want[strings.Join(above, ".")] = above[0] == "listen" || above[0] == "state"
	}
	maps.DeleteFunc(want, func(_ string, restarts bool) bool { return !restarts })
	got := map[string]bool{}
	for name, s := range schemaOfConfig(t) {
		if name == "listen" || name == "state" {
			got[name] = true
			keysBelow(name, s.Properties, got)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("the schema has %q,\nwant %q", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

// keysBelow adds the paths of properties, and of theirs.
func keysBelow(path string, properties map[string]any, all map[string]bool) {
	for key, s := range properties {
		all[path+"."+key] = true
		if s, ok := s.(map[string]any); ok {
			below, _ := s["properties"].(map[string]any)
			keysBelow(path+"."+key, below, all)
		}
	}
}

// A section is what the schema says of one: a mapping of keys, of entries that
// have them, or a list of such.
type section struct {
	Properties map[string]any
	Items      *section
	Entries    json.RawMessage `json:"additionalProperties"` // false for a mapping of keys
}

func (s section) keys() map[string]any {
	var entry section
	if s.Items != nil {
		return s.Items.Properties
	}
	if json.Unmarshal(s.Entries, &entry) == nil {
		return entry.Properties
	}
	return s.Properties
}

func schemaOfConfig(t *testing.T) map[string]section {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chart, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties struct {
			Config struct{ Properties map[string]section }
		}
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	return schema.Properties.Config.Properties
}

// TestHelmValuesAreDocumented: values.yaml shows every key that the schema
// takes; the schema refuses others.
func TestHelmValuesAreDocumented(t *testing.T) {
	t.Parallel()
	read := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(chart, name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	var values map[string]any
	var schema struct{ Properties map[string]any }
	if err := yaml.Unmarshal(read("values.yaml"), &values); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(read("values.schema.json"), &schema); err != nil {
		t.Fatal(err)
	}
	for key := range schema.Properties {
		if _, ok := values[key]; !ok && key != "global" { // which helm itself has
			t.Errorf("values.yaml leaves out %s", key)
		}
	}
}

// TestHelmValuesOfThePage has the chart take each example of docs/kubernetes.md.
func TestHelmValuesOfThePage(t *testing.T) {
	t.Parallel()
	page := pageText(t, filepath.Join(tool.Root(), "docs", "kubernetes.md"))
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(page, -1)
	if len(blocks) < 7 {
		t.Errorf("there are %d examples alone", len(blocks))
	}
	for _, block := range blocks {
		file := filepath.Join(testbed.Dir(t), "values.yaml")
		if err := os.WriteFile(file, []byte(block[1]), 0o600); err != nil {
			t.Fatal(err)
		}
		render(t, "single", "--values", file)
	}
}
