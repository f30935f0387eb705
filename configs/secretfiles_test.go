package configs

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

// TestRemarksAboutRedis: its secrets stand in files alone.
func TestRemarksAboutRedis(t *testing.T) {
	dir := t.TempDir()
	path, good, open := filepath.Join(dir, "regate.yaml"), filepath.Join(dir, "good"), filepath.Join(dir, "open")
	for file, mode := range map[string]os.FileMode{good: 0o640, open: 0o644} {
		write(t, file, "secret\n")
		must(t, os.Chmod(file, mode))
	}
	for _, key := range []string{"key_file", "password_file", "sentinel_password_file"} {
		files := map[string]string{"key_file": good, "password_file": good, "sentinel_password_file": good}
		files[key] = open
		text := "state: {path: " + dir + ", redis: {addrs: [\"127.0.0.1:26379\"], master_name: gates"
		for _, name := range slices.Sorted(maps.Keys(files)) {
			text += ", " + name + ": " + files[name]
		}
		write(t, path, minimal+"registries: {a: {upstreams: [\"http://10.0.0.1\"]}}\nroutes: [{registry: a}]\n"+text+"}}\n")
		f, err := load(path, noEnv)
		must(t, err)
		want := "state.redis." + key + ": everybody on this machine can read " + open + ": chmod o-r it"
		if got := said(f.Remarks(nil)); !strings.HasSuffix(got, want) || strings.Contains(got, "\n") {
			t.Errorf("%s: Remarks() = %q, want %q", key, got, want)
		}
	}
}
