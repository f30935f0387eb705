package e2e

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
	"github.com/regate/regate/e2e/tool"
)

// TestDebianPackage installs the package on a machine that runs systemd, starts
// what it brought, and goes through the life of one: a newer version with a
// configuration that it does not like, and with one that it does, and the end.
func TestDebianPackage(t *testing.T) {
	t.Parallel()
	s := testbed.StartSystem(t)
	said := installPackage(t, s, "1.0.0~rc.1")
	if !strings.Contains(said, "edit /etc/regate/regate.yaml") {
		t.Errorf("nobody is told what to do next:\n%s", said)
	}
	for _, unit := range units {
		if got, _ := s.Try("systemctl", "is-active", unit); got != "" {
			t.Errorf("%s is %s after the installation", unit, got)
		}
	}
	facts := s.Run(t, "stat", "-c", "%a %U %G", "/etc/regate", "/etc/regate/regate.yaml", "/var/lib/regate")
	if facts != "750 root regate\n640 root regate\n700 regate regate\n" {
		t.Errorf("modes and owners:\n%s", facts)
	}
	if got := s.Run(t, "runuser", "-u", "regate", "--", "regate", "check", "-c", "/etc/regate/regate.yaml"); got != "ok\n" {
		t.Errorf("regate check of the file that comes with it: %s", got)
	}
	testPages(t, s)
	const config = "/etc/regate/regate.yaml"
	configure(t, s, config)
	withVariable(t, s, config)
	s.Run(t, "chgrp", "regate", config)
	s.Run(t, "systemctl", "enable", "--now", "regate")
	testService(t, s)

	upgrades(t, s, config)
	s.Run(t, "dpkg", "--remove", "regate")
	if pid := s.MainPID(t, "regate"); pid != "0" {
		t.Error("the gate runs on without its program")
	}
	if left := s.Run(t, "ls", "/etc/regate", "/var/lib/regate"); !strings.Contains(left, "regate.yaml") || !strings.Contains(left, "state.key") {
		t.Errorf("a removal that is no purge left only:\n%s", left)
	}
	s.Run(t, "rm", "-r", dropIn)
	s.Run(t, "dpkg", "--purge", "regate")
	if left := s.Run(t, "find", "/etc", "/usr", "/var/lib", "-xdev", "-path", "/var/lib/dpkg", "-prune", "-o", "-name", "regate*", "-print"); left != "" {
		t.Errorf("a purge left:\n%s", left)
	}
}

// testPages: whoever reads "see docs/disaster.md" in a message finds it.
func testPages(t *testing.T, s *testbed.System) {
	t.Helper()
	pages, err := filepath.Glob(filepath.Join(tool.Root(), "docs", "*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	want := []string{"644 copyright", "644 examples/alerts.yaml", "644 examples/regate.yaml"}
	for _, page := range pages {
		want = append(want, "644 docs/"+filepath.Base(page))
	}
	slices.Sort(want)
	got := strings.Split(strings.TrimSpace(s.Run(t, "find", "/usr/share/doc/regate", "-type", "f", "-printf", "%m %P\\n")), "\n")
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("the package has %q, want %q", got, want)
	}
}

// dropIn is what the owner of a machine adds to the unit.
const dropIn = "/etc/systemd/system/regate.service.d"

// withVariable has the configuration name a variable that only the gate itself
// has, and not who installs packages.
func withVariable(t *testing.T, s *testbed.System, config string) {
	t.Helper()
	text, err := os.ReadFile(s.Path(config))
	if err != nil {
		t.Fatal(err)
	}
	const open = `{upstreams: ["http://127.0.0.1:5000"]}`
	closed := strings.Replace(string(text), open, `{upstreams: ["http://127.0.0.1:5000"], auth: {mode: basic, username: gate, password: "${env:REGISTRY_PASSWORD}"}}`, 1)
	if closed == string(text) {
		t.Fatalf("%s has no registry %s", config, open)
	}
	s.Run(t, "mkdir", dropIn)
	unit := "[Service]\nEnvironment=\"REGISTRY_PASSWORD=$x 'y'\" ODD=a%%b\n"
	for path, text := range map[string]string{config: closed, dropIn + "/e2e.conf": unit} {
		if err := os.WriteFile(s.Path(path), []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	s.Run(t, "systemctl", "daemon-reload")
}

// upgrades installs newer versions over one that runs.
func upgrades(t *testing.T, s *testbed.System, config string) {
	t.Helper()
	good, err := os.ReadFile(s.Path(config))
	if err != nil {
		t.Fatal(err)
	}
	before := s.MainPID(t, "regate")
	if err := os.WriteFile(s.Path(config), append(good, "registrees: {}\n"...), 0o640); err != nil {
		t.Fatal(err)
	}
	if said := installPackage(t, s, "1.0.0~rc.2"); !strings.Contains(said, "not restarted") {
		t.Errorf("nobody is told that the former version goes on:\n%s", said)
	}
	if s.MainPID(t, "regate") != before || status(s, "https://localhost/healthz") != "200" {
		t.Error("a configuration with a mistake has cost the gate its life")
	}
	if err := os.WriteFile(s.Path(config), good, 0o640); err != nil {
		t.Fatal(err)
	}
	installPackage(t, s, "1.0.0")
	eventually(t, "the newer version answers", func() bool {
		now := s.MainPID(t, "regate")
		return now != before && now != "0" && status(s, "https://localhost/healthz") == "200"
	})
	logsIn(t, s)
}

// installPackage makes the package with a version and installs it.
func installPackage(t *testing.T, s *testbed.System, version string) string {
	t.Helper()
	program, err := tool.Path("regate")
	if err != nil {
		t.Fatal(err)
	}
	// nfpm looks for files below where it runs, and wants the program in bin.
	tree := testbed.Dir(t)
	for from, to := range map[string]string{"deploy": "", "configs": "", "docs": "", "LICENSE": "", program: "bin/"} {
		if !filepath.IsAbs(from) {
			from = filepath.Join(tool.Root(), from)
		}
		testbed.Run(t, testbed.Command{Program: "mkdir", Args: []string{"-p", filepath.Join(tree, "bin")}, Dir: tree})
		testbed.Run(t, testbed.Command{Program: "cp", Args: []string{"-r", from, filepath.Join(tree, to)}, Dir: tree})
	}
	script := `cd "$1" && exec "$2" package -f deploy/deb/nfpm.yaml -p deb -t "$1/regate.deb"`
	nfpm, err := tool.Path("nfpm")
	if err != nil {
		t.Fatal(err)
	}
	testbed.Run(t, testbed.Command{
		Program: "sh", Args: []string{"-c", script, "sh", tree, nfpm}, Dir: tree,
		Env: []string{"ARCH=" + runtime.GOARCH, "DEB_VERSION=" + version},
	})
	deb, err := os.ReadFile(filepath.Join(tree, "regate.deb"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Path("/tmp/regate.deb"), deb, 0o644); err != nil {
		t.Fatal(err)
	}
	return s.Run(t, "dpkg", "--install", "--force-confold", "/tmp/regate.deb")
}
