package dns

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/libdns/libdns"
	"go.uber.org/zap"
)

// script is a provider over a shell script; what it writes to $out, the first
// argument of the configuration, is in the file at out.
func script(t *testing.T, cfg Exec, body string) (p Provider, out string) {
	t.Helper()
	dir := t.TempDir()
	path, out := filepath.Join(dir, "change-dns"), filepath.Join(dir, "out")
	// Renamed into its place: a fork of another test may hold what was open
	// for writing, and the kernel would not run that.
	write(t, path+".tmp", "#!/bin/sh\nout=$1; shift\n"+body)
	if err := errors.Join(os.Chmod(path+".tmp", 0o700), os.Rename(path+".tmp", path)); err != nil {
		t.Fatal(err)
	}
	cfg.Command = []string{path, out}
	parts, err := New(Config{Exec: &cfg}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return parts.Provider, out
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// challenge is a record as certmagic asks for it.
var challenge = []libdns.Record{libdns.RR{Type: "TXT", Name: "_acme-challenge.registry", Data: "a-b_c$(id);'\"", TTL: time.Minute}}

const zone = "example.com."

func TestExecIsCalledAsByLego(t *testing.T) {
	p, out := script(t, Exec{}, `printf '%s|' "$@" >>"$out"; echo "$REGATE_ZONE" >>"$out"`)
	for _, f := range []func(context.Context, string, []libdns.Record) ([]libdns.Record, error){p.AppendRecords, p.DeleteRecords} {
		done, err := f(t.Context(), zone, challenge)
		if err != nil || len(done) != 1 || done[0] != challenge[0] {
			t.Errorf("records %v, %v; want what was asked for", done, err)
		}
	}
	want := "present|_acme-challenge.registry.example.com.|a-b_c$(id);'\"|example.com.\n" +
		"cleanup|_acme-challenge.registry.example.com.|a-b_c$(id);'\"|example.com.\n"
	if got := read(t, out); got != want {
		t.Errorf("the program was called with\n%swant\n%s", got, want)
	}
}

func TestExecHasALeanEnvironment(t *testing.T) {
	t.Setenv("REGISTRY_PASSWORD", "secret")
	p, out := script(t, Exec{}, `env >"$out"`)
	if _, err := p.AppendRecords(t.Context(), zone, challenge); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(read(t, out)) {
		switch name, _, _ := strings.Cut(line, "="); name {
		case "PATH", "HOME", "REGATE_ZONE", "PWD", "OLDPWD", "SHLVL", "_": // the last four are the shell's
		default:
			t.Errorf("the program sees %s", name)
		}
	}
}

func TestExecThatFailsSaysWhy(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"words", `echo "zone is frozen" >&2; exit 3`, "change-dns present: exit status 3: zone is frozen"},
		{"no words", `echo not this; exit 1`, "change-dns present: exit status 1"},
		{"odd words", `printf 'a\n\033[31mb\377' >&2; exit 1`, "change-dns present: exit status 1: a [31mb"},
		{"killed", `kill -9 $$`, "change-dns present: signal: killed"},
	} {
		p, _ := script(t, Exec{}, tt.body)
		done, err := p.AppendRecords(t.Context(), zone, challenge)
		if err == nil || len(done) != 0 || !strings.HasSuffix(err.Error(), tt.want) {
			t.Errorf("%s: %v, %v, want …%s", tt.name, done, err, tt.want)
		}
	}
	p, _ := script(t, Exec{}, `head -c 100000 /dev/zero | tr '\0' x >&2; exit 1`)
	if _, err := p.AppendRecords(t.Context(), zone, challenge); err == nil || len(err.Error()) > 2*maxExcerpt {
		t.Errorf("many words: an error of %d bytes", len(err.Error()))
	}
	missing := program{Exec{Command: []string{"/no/such/program"}}, zap.NewNop()}
	if _, err := missing.DeleteRecords(t.Context(), zone, challenge); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a program: %v", err)
	}
}

// The program's children go with it, or they would hold its stderr open.
func TestExecIsKilledWithItsChildren(t *testing.T) {
	p, out := script(t, Exec{Timeout: 300 * time.Millisecond}, `sleep 600 & echo $! >"$out"; wait`)
	_, err := p.AppendRecords(t.Context(), zone, challenge)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a program that hangs: %v", err)
	}
	stat := filepath.Join("/proc", strings.TrimSpace(read(t, out)), "stat")
	for deadline := time.Now().Add(10 * time.Second); alive(stat); time.Sleep(5 * time.Millisecond) { // between two looks
		if time.Now().After(deadline) {
			t.Fatalf("its child still runs: %s", read(t, stat))
		}
	}
}

// alive reports whether there is a process that runs, and not only its end
// that nobody has asked for yet.
func alive(stat string) bool {
	text, err := os.ReadFile(stat)
	return err == nil && !strings.Contains(string(text), ") Z ")
}

func TestExecTakesNoOtherRecords(t *testing.T) {
	p, _ := script(t, Exec{}, "")
	if _, err := p.AppendRecords(t.Context(), zone, []libdns.Record{libdns.RR{Type: "A", Name: "x", Data: "10.0.0.1"}}); err == nil {
		t.Error("an A record was taken")
	}
}
