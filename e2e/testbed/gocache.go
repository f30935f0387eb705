package testbed

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// nothing is the SHA-256 of no bytes: what most compilers print.
const nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// buildCache writes a GOCACHE with the packages of the two programs, as `make
// build` compiles them. Built with the same flags, they need no compiling again
// in an image: minutes on a small machine. Wherever it does not fit, the build
// is merely slow.
func buildCache(t testing.TB, to string) {
	t.Helper()
	from := goCommand(t, nil, "env", "GOCACHE")
	compiled := goCommand(t, []string{"CGO_ENABLED=0"},
		"list", "-trimpath", "-export", "-deps", "-f", "{{.Export}}", "./cmd/regate", "./cmd/regate-standalone")
	outputs := [][]byte{[]byte(nothing)}
	for _, file := range append(strings.Fields(compiled), filepath.Join(from, nothing[:2], nothing+"-d")) {
		copyEntry(t, from, to, file)
		outputs = append(outputs, []byte(strings.TrimSuffix(filepath.Base(file), "-d")))
	}
	slices.SortFunc(outputs, bytes.Compare)
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "-a") {
			return nil // another build may be tidying up
		}
		// An action's entry: v1 ACTION OUTPUT SIZE TIME.
		if f := bytes.Fields(read(t, path)); len(f) > 2 {
			if _, needed := slices.BinarySearchFunc(outputs, f[2], bytes.Compare); needed {
				copyEntry(t, from, to, path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func copyEntry(t testing.TB, from, to, path string) {
	t.Helper()
	name, err := filepath.Rel(from, path)
	if err != nil {
		t.Fatal(err)
	}
	name = filepath.Join(to, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, read(t, path), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
