package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// A finding is what testssl.sh writes for each thing it looks at.
type finding struct {
	ID       string `json:"id"`
	Severity string `json:"severity"`
	Finding  string `json:"finding"`
	CVE      string `json:"cve"`
}

// harmless are the severities that need no reason. WARN is a check that did not
// run, which proves nothing.
var harmless = []string{"OK", "INFO", "LOW", "DEBUG"}

// TestTLSAudit has testssl.sh look at the https listener with a certificate of
// the gate's own CA. What it finds above LOW must be in the list, with a reason.
func TestTLSAudit(t *testing.T) {
	t.Parallel()
	g := testbed.NewGate(t, nil)
	g.Configure(t, "registries: {main: {upstreams: [\"http://127.0.0.1:1\"]}}"+rules(t))
	g.Start(t)
	dir := testbed.Dir(t)
	report := filepath.Join(dir, "report.json")
	out, err := testbed.Try(testbed.Command{ // its status is the number of findings
		Program: "testssl",
		Args: []string{"--quiet", "--color", "0", "--warnings", "batch", "--nodns", "none",
			"--add-ca", g.CA.File, "--jsonfile", report, "--fast", g.Host},
		Dir: dir,
	})
	text, read := os.ReadFile(report)
	if read != nil {
		t.Fatalf("no report: %v, %s", err, out)
	}
	var findings []finding
	if err := json.Unmarshal(text, &findings); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	for _, id := range []string{"TLS1_3", "cert_chain_of_trust", "cert_trust", "heartbleed", "BREACH", "cipherlist_NULL"} {
		if !slices.ContainsFunc(findings, func(f finding) bool { return strings.HasPrefix(f.ID, id) }) {
			t.Errorf("the report says nothing of %s: it is not whole", id)
		}
	}
	allowed := allowedFindings(t)
	for _, f := range findings {
		if !slices.Contains(harmless, f.Severity) && !allowed[f.ID] {
			t.Errorf("%s %s: %s %s", f.Severity, f.ID, f.Finding, f.CVE)
		}
	}
}

func allowedFindings(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("testdata/testssl-allowed.txt")
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		id, reason, _ := strings.Cut(line, " ")
		if strings.TrimSpace(reason) == "" {
			t.Errorf("testdata/testssl-allowed.txt: %q has no reason", id)
		}
		allowed[id] = true
	}
	return allowed
}
