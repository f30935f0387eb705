package testbed

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/tool"
)

// GolangTree makes the file tree of an image that can stand in for Docker Hub's
// golang, which no test may pull: busybox for a shell, this machine's Go and
// authorities, at /modules the root module's dependencies as a proxy, so that a
// build inside needs no network, and at /cache what was compiled here.
func GolangTree(t testing.TB) string {
	t.Helper()
	dir := Dir(t)
	for _, sub := range []string{"bin", "etc/ssl", "usr/local", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cp := func(from, to string) {
		Run(t, Command{Program: "cp", Args: []string{"-a", from, filepath.Join(dir, to)}, Dir: Dir(t)})
	}
	busybox, err := tool.Path("busybox")
	if err != nil {
		t.Fatal(err)
	}
	cp(busybox, "bin/busybox")
	for _, applet := range []string{"sh", "mkdir"} {
		if err := os.Symlink("busybox", filepath.Join(dir, "bin", applet)); err != nil {
			t.Fatal(err)
		}
	}
	cp("/etc/ssl/certs", "etc/ssl/certs")
	cp(goCommand(t, nil, "env", "GOROOT"), "usr/local/go")
	downloadModules(t, filepath.Join(dir, "modules"))
	buildCache(t, filepath.Join(dir, "cache"))
	return dir
}

// downloadModules writes a module proxy with what the root module needs, from
// this machine's cache.
func downloadModules(t testing.TB, to string) {
	t.Helper()
	cache := Dir(t)
	local := "file://" + filepath.Join(goCommand(t, nil, "env", "GOMODCACHE"), "cache", "download")
	goCommand(t, []string{"GOMODCACHE=" + cache, "GOPROXY=" + local, "GOSUMDB=off", "GOFLAGS=-modcacherw"}, "mod", "download")
	if err := os.Rename(filepath.Join(cache, "cache", "download"), to); err != nil {
		t.Fatal(err)
	}
}

// goCommand runs go in the root module, with the environment of this machine.
func goCommand(t testing.TB, env []string, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = tool.Root()
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}
