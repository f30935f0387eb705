package configs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/regate/regate/internal/problem"
)

func TestRemarks(t *testing.T) {
	dir := t.TempDir()
	path, good, lines, open := filepath.Join(dir, "regate.yaml"), filepath.Join(dir, "good"), filepath.Join(dir, "lines"), filepath.Join(dir, "open")
	registry := func(file string) string {
		return "{upstreams: [\"http://10.0.0.1\"], auth: {mode: basic, username: g, password_file: " + file + "}}\n"
	}
	write(t, path, minimal+"registries:\n  a: "+registry(lines)+"  b: "+registry(open)+"  c: "+registry(good)+"  d: "+registry(good+"x")+
		"routes: [{repository: a, registry: a}, {repository: b, registry: b}, {repository: c, registry: c}, {registry: d}]\n")
	for file, text := range map[string]string{good: "secret\n", lines: "secret\n# of the gate\n", open: "secret\n"} {
		write(t, file, text)
		must(t, os.Chmod(file, 0o640))
	}
	must(t, os.Chmod(open, 0o644))
	f, err := load(path, noEnv)
	must(t, err)
	var more problem.List
	more.Warnf("tls", "is odd")
	more.Addf("tls", "is wrong")
	want := "2: tls: is odd\n" +
		"5: registries.a.auth.password_file: " + lines + " has several lines, and all of them together are taken for the secret\n" +
		"6: registries.b.auth.password_file: everybody on this machine can read " + open + ": chmod o-r it"
	if got := said(f.Remarks(more)); got != want {
		t.Errorf("Remarks() =\n%s\nwant\n%s", got, want)
	}
}
