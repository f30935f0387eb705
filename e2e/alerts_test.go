package e2e

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
	"github.com/regate/regate/e2e/tool"
)

// TestAlerts has promtool read the rules and try them, and a gate and its source
// say whether there are such metrics.
func TestAlerts(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tool.Root(), "deploy", "monitoring")
	testbed.Run(t, testbed.Command{Program: "promtool", Args: []string{"check", "rules", filepath.Join(dir, "alerts.yaml")}, Dir: testbed.Dir(t)})
	testbed.Run(t, testbed.Command{Program: "promtool", Args: []string{"test", "rules", filepath.Join(dir, "alerts_test.yaml")}, Dir: testbed.Dir(t)})

	s := startSite(t, modes[0], testbed.Registry2, engines{})
	res, err := http.Get(s.gate.Admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	shown, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	known := string(shown) + source(t, "internal", "metrics") // some are shown once something has happened
	rules, err := os.ReadFile(filepath.Join(dir, "alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`\bregate_(\w+)`).FindAllStringSubmatch(string(rules), -1)
	if len(names) < 9 {
		t.Errorf("the rules ask for %v alone", names)
	}
	for _, n := range names {
		if !strings.Contains(known, "\n"+n[0]) && !strings.Contains(known, `"`+n[1]+`"`) {
			t.Errorf("there is no metric %s", n[0])
		}
	}
}

// source is all Go files of a folder of the gate's, but for tests.
func source(t *testing.T, folder ...string) (all string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(append(append([]string{tool.Root()}, folder...), "*.go")...))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(file, "_test.go") {
			all += string(text)
		}
	}
	return all
}
