package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestTrustInstall: what is found is served, and the system's store only if it
// is named.
func TestTrustInstall(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, "Gate CA", nil)
	at, dir := ca.gate(t), machine(t)
	install := []string{"trust", at, "--install", "--root", dir, "--fingerprint", ca.print()}
	code, out, errText := called(t, "", install...)
	want := []string{"/etc/containers/certs.d/" + at + "/ca.crt", "/etc/docker/certs.d/" + at + "/ca.crt"}
	if got := written(t, dir); code != 0 || !slices.Equal(got, want) || strings.Count(out, "written: ") != 2 {
		t.Fatalf("exit %d\n%s%s\ninstalled %q, want %q", code, out, errText, got, want)
	}
	if text, err := os.ReadFile(dir + want[0]); err != nil || string(text) != ca.pem() {
		t.Errorf("%s: %v\n%s", want[0], err, text)
	}
	code, out, errText = called(t, "", install...)
	if code != 0 || strings.Count(out, "already there: ") != 2 || strings.Contains(out, "written") {
		t.Errorf("again: exit %d\n%s%s", code, out, errText)
	}
	code, out, errText = called(t, "", append(install, "--for", "system")...)
	store := "/usr/local/share/ca-certificates/regate-" + strings.ReplaceAll(at, ":", "_")
	if got := written(t, dir); code != 0 || len(got) != 3 || !strings.HasPrefix(got[2], store) || !strings.Contains(out, "Run update-ca-certificates.") {
		t.Errorf("--for system: exit %d\n%s%s\n%q", code, out, errText, got)
	}
}

// TestTrustNeedsToBeTold: nothing is written unless somebody has said that the
// CA is the right one.
func TestTrustNeedsToBeTold(t *testing.T) {
	t.Parallel()
	ca, other := newTestCA(t, "Gate CA", nil), newTestCA(t, "Other CA", nil)
	at := ca.gate(t)
	for _, tt := range []struct {
		name  string
		typed string // "" is no terminal
		args  []string
		ok    bool
		want  string
	}{
		{name: "no terminal", want: "no terminal to ask at, so name the CA with --fingerprint"},
		{name: "another fingerprint", args: []string{"--fingerprint", other.print()}, want: "somebody is between here and " + at},
		{name: "another one, at a terminal", typed: "yes\n", args: []string{"--fingerprint", other.print()}, want: "was not named"},
		{name: "no", typed: "no\n", want: "nothing was installed"},
		{name: "y", typed: "y\n", want: "nothing was installed"},
		{name: "yes or so", typed: "yes please\n", want: "nothing was installed"},
		{name: "a key too early", typed: "\n", want: "nothing was installed"},
		{name: "the end of input", typed: "\x04", want: "EOF"},
		{name: "yes", typed: "yes\n", ok: true, want: ca.print()},
		{name: "both", args: []string{"--fingerprint", other.print() + "," + ca.print()}, ok: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := machine(t)
			args := append([]string{"trust", at, "--install", "--root", dir}, tt.args...)
			var code int
			var errText string
			if tt.typed == "" {
				code, _, errText = called(t, "yes\n", args...)
			} else {
				code, errText = atTerminal(t, tt.typed, args...)
			}
			if (code == 0) != tt.ok || !strings.Contains(errText, tt.want) {
				t.Errorf("exit %d\n%s\nwant ok %v, %q", code, errText, tt.ok, tt.want)
			}
			if got := written(t, dir); (len(got) == 2) != tt.ok || !tt.ok && len(got) > 0 {
				t.Errorf("installed %q", got)
			}
		})
	}
}

// TestTrustFile is about certificates carried by hand: no network, and each one
// that is trusted must be named.
func TestTrustFile(t *testing.T) {
	t.Parallel()
	one, two := newTestCA(t, "One", nil), newTestCA(t, "Two", nil)
	below := newTestCA(t, "Below", one)
	both := file(t, one.pem()+two.pem())
	chain := file(t, below.pem()+one.pem())
	for _, tt := range []struct {
		name string
		file string
		args []string
		code int
		want string
		pem  string // what is installed
	}{
		{"one", file(t, one.pem()), []string{"--fingerprint", one.print()}, 0, "", one.pem()},
		{"both", both, []string{"--fingerprint", one.print(), "--fingerprint", two.print()}, 0, "", one.pem() + two.pem()},
		{"one of two", both, []string{"--fingerprint", one.print()}, 1, two.print() + "  Two", ""},
		{"the root of a chain", chain, []string{"--fingerprint", one.print()}, 0, "", one.pem()},
		{"what is below the root", chain, []string{"--fingerprint", below.print()}, 1, "one that was named is only below it", ""},
		{"not named", chain, nil, 1, "no terminal to ask at", ""},
		{"no file", "/nowhere/ca.crt", nil, 1, "/nowhere/ca.crt", ""},
		{"no certificate", file(t, "hello"), nil, 1, "there is no certificate", ""},
		{"a key", file(t, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), nil, 1, "PRIVATE KEY beside the certificates", ""},
		{"too much", file(t, strings.Repeat("x", 1<<20+1)), nil, 1, "more than 1 MiB", ""},
		{"a device without end", "/dev/zero", nil, 1, "more than 1 MiB", ""},
	} {
		dir := machine(t)
		args := append([]string{"trust", "https://registry.invalid", "--install", "--for", "docker", "--root", dir, "--ca-file", tt.file}, tt.args...)
		code, _, errText := called(t, "", args...)
		if code != tt.code || !strings.Contains(errText, tt.want) {
			t.Errorf("%s: exit %d %s, want %d, %q", tt.name, code, errText, tt.code, tt.want)
		}
		text, _ := os.ReadFile(filepath.Join(dir, "etc/docker/certs.d/registry.invalid/ca.crt"))
		if string(text) != tt.pem {
			t.Errorf("%s: installed\n%s\nwant\n%s", tt.name, text, tt.pem)
		}
	}
}

// TestTrustHelpsByHand: one client that cannot be served is no reason to leave
// out the others, and the exit code says that something remains.
func TestTrustHelpsByHand(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, "Gate CA", nil)
	dir := machine(t)
	k3s := filepath.Join(dir, "etc/rancher/k3s/registries.yaml")
	if err := os.MkdirAll(filepath.Dir(k3s), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(k3s, []byte("mirrors: {docker.io: {}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/tmp", filepath.Join(dir, "etc/docker/certs.d")); err != nil {
		t.Fatal(err)
	}
	code, out, errText := called(t, "", "trust", ca.gate(t), "--install", "--root", dir, "--fingerprint", ca.print())
	for _, want := range []string{
		"not done: /etc/docker/certs.d is a symbolic link to /tmp", "written: /etc/containers/certs.d/",
		"by hand: /etc/rancher/k3s/registries.yaml", "tls: {ca_file: ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q in\n%s", want, out)
		}
	}
	if code != 1 || !strings.Contains(errText, "2 of 3 clients need a hand") {
		t.Errorf("exit %d %s", code, errText)
	}
	if text, _ := os.ReadFile(k3s); string(text) != "mirrors: {docker.io: {}}\n" {
		t.Errorf("registries.yaml is now %s", text)
	}
}

func TestTrustFindsNothing(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, "Gate CA", nil)
	dir := t.TempDir()
	for _, args := range [][]string{{}, {"--for", "system"}} {
		args = append([]string{"trust", ca.gate(t), "--install", "--root", dir, "--fingerprint", ca.print()}, args...)
		if code, _, errText := called(t, "", args...); code != 1 || !strings.Contains(errText, "with --for") {
			t.Errorf("%q: exit %d %s", args, code, errText)
		}
	}
	if got := written(t, dir); len(got) > 0 {
		t.Errorf("installed %q", got)
	}
}
