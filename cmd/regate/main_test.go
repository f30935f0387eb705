package main

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/regate/regate/authsvc/password"
)

// mainVar makes this program the one that it tests.
const mainVar = "RUNS_MAIN"

// TestMain is what main is to the programs: this one has gates too.
func TestMain(m *testing.M) {
	if os.Getenv(mainVar) != "" {
		main()
		return
	}
	if password.IsHelper() {
		os.Exit(password.Help())
	}
	os.Exit(m.Run())
}

// TestTheVariableOfHelpersDoesNotEndAGate that it was set for by mistake.
func TestTheVariableOfHelpersDoesNotEndAGate(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "version")
	cmd.Env = append(os.Environ(), mainVar+"=1", "REGATE_COMPARES_PASSWORDS=1")
	cmd.Stdin = io.MultiReader() // a pipe
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), version) {
		t.Errorf("regate version says %q, %v", out, err)
	}
}
