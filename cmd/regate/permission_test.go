package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/regate/regate/configs"
)

func TestWhoMayNot(t *testing.T) {
	self := userName(os.Geteuid())
	refused := func(path string) error { return &fs.PathError{Op: "open", Path: path, Err: syscall.EACCES} }
	for _, tt := range []struct {
		name string
		err  error
		want string // "" for silence
	}{
		{"a file", fmt.Errorf("state key: %w", refused("/etc/regate/state.key")), "chown " + self + " /etc/regate/state.key;"},
		{"two in one text, one of them twice", errors.New(errors.Join(refused("/b"), refused("/a"), refused("/b")).Error()), "chown " + self + " /a /b;"},
		{"a file that is not there", &fs.PathError{Op: "open", Path: "/a", Err: syscall.ENOENT}, ""},
		{"a port", errors.New("listen tcp :443: bind: permission denied"), ""},
	} {
		got := whoMayNot(tt.err)
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		if tt.want != "" && !strings.HasPrefix(got, "This is user "+self+".") {
			t.Errorf("%s: %q does not say who it is", tt.name, got)
		}
	}
}

func TestAsRoot(t *testing.T) {
	file, err := configs.Load(configFile(t, rules))
	if err != nil {
		t.Fatal(err)
	}
	file.State.Path = t.TempDir()
	if got := asRoot(file, 1000); got != "" {
		t.Errorf("somebody else is told of root: %q", got)
	}
	owner := os.Geteuid()
	if owner == 0 {
		if got := asRoot(file, 0); got != "" {
			t.Errorf("a gate of root's: %q", got)
		}
		owner = 4_000_000
		if err := os.Chown(file.State.Path, owner, -1); err != nil {
			t.Skip(err)
		}
	}
	if got := asRoot(file, 0); !strings.Contains(got, "runuser -u "+userName(owner)+" -- regate check -c "+file.Path()) {
		t.Errorf("root is told %q", got)
	}
	file.State.Path += "/none"
	if got := asRoot(file, 0); got != "" {
		t.Errorf("a gate that never ran: %q", got)
	}
}
