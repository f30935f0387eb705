package dockerauth

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/regate/regate/authsvc/authn/ldap"
	"github.com/regate/regate/authsvc/casbin"
)

var update = flag.Bool("update", false, "write what the tests in testdata should give")

// A place is a machine that has these files and programs.
type place []string

func (p place) Directory(cfg ldap.Config) error {
	for _, file := range []string{cfg.BindPasswordFile, cfg.CACertificate} {
		if err := p.Program(file); file != "" && err != nil {
			return err
		}
	}
	return nil
}

func (p place) Program(path string) error {
	if !slices.Contains(p, path) {
		return &os.PathError{Op: "open", Path: path, Err: os.ErrNotExist}
	}
	return nil
}

func (p place) File(path string) error { return p.Program(path) }

func (p place) Policy(cfg casbin.Config) error {
	return errors.Join(p.File(cfg.ModelPath), p.File(cfg.PolicyPath))
}

func (p place) Certificate(cert, key string) ([]string, error) {
	if err := p.Program(cert); err != nil {
		return nil, err
	}
	return []string{"registry.acme.test", "10.0.0.5"}, p.Program(key)
}

// TestGolden converts the files in testdata and compares the results and the
// reports with those beside them. `go test -update` writes them anew.
func TestGolden(t *testing.T) {
	sources, err := filepath.Glob("testdata/*.yml")
	if err != nil || len(sources) == 0 {
		t.Fatal(sources, err)
	}
	for _, path := range sources {
		t.Run(filepath.Base(path), func(t *testing.T) {
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var here place
			first, _, _ := strings.Cut(string(source), "\n")
			if list, ok := strings.CutPrefix(first, "# here: "); ok {
				here = strings.Fields(list)
			}
			result, err := Convert(filepath.Base(path), source, here)
			if err != nil {
				t.Fatal(err)
			}
			load(t, result)
			base := strings.TrimSuffix(path, ".yml")
			golden(t, base+".yaml", string(result.YAML))
			golden(t, base+".report", result.Report.String())
			if said := result.Report.String(); strings.Contains(said, "secret-") {
				t.Errorf("a secret is in the report:\n%s", said)
			}
			if strings.Contains(string(result.YAML), "secret-") {
				t.Errorf("a secret is in the result:\n%s", result.YAML)
			}
		})
	}
}

// TestReportIsPrintable: a file of others says nothing to the terminal itself.
func TestReportIsPrintable(t *testing.T) {
	source := "server: {addr: \"\\e]0;x\\a\\n5 dangerous\", \"\\e[2J\": 1}\nusers: {\"\\e[31m\": {}}\nacl: [{match: {name: \"${\\e[0m}\"}, actions: [\"\\b\"]}]\n"
	result, err := Convert("\x1b", []byte(source), nowhere{})
	if err != nil {
		t.Fatal(err)
	}
	load(t, result)
	for _, text := range []string{result.Report.String(), string(result.YAML)} {
		for line := range strings.Lines(text) {
			if line = strings.TrimSuffix(line, "\n"); printable(line) != line {
				t.Errorf("%q can do more than be read", line)
			}
		}
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not\n%s", path, got)
	}
}
