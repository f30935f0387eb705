package gate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regate/regate/authsvc/password"
)

// TestMain is what main is to the programs: this one has gates too.
func TestMain(m *testing.M) {
	if password.IsHelper() {
		os.Exit(password.Help())
	}
	os.Exit(m.Run())
}

// TestPasswordsAreComparedApart from the first login until the gate ends.
func TestPasswordsAreComparedApart(t *testing.T) {
	g := start(t, config(t, "http://127.0.0.1:1", ""))
	if n := helpers(t); n != 0 {
		t.Errorf("%d helpers before anybody logs in", n)
	}
	g.token("repository:team/app:pull")
	if n := helpers(t); n != 1 {
		t.Errorf("%d helpers after the first login, want 1", n)
	}
	g.stop()
	g.ends()
	if n := helpers(t); n != 0 {
		t.Errorf("%d helpers outlive the gate", n)
	}
}

// helpers is how many children this process has (proc(5), task/TID/children).
func helpers(t *testing.T) (n int) {
	t.Helper()
	threads, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil || len(threads) == 0 {
		t.Fatalf("no threads: %v", err)
	}
	for _, file := range threads {
		text, _ := os.ReadFile(file) // of a thread that may be gone
		n += len(strings.Fields(string(text)))
	}
	return n
}
