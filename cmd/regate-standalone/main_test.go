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
	cmd := exec.CommandContext(t.Context(), os.Args[0], "extra")
	cmd.Env = append(os.Environ(), mainVar+"=1", "REGATE_COMPARES_PASSWORDS=1")
	cmd.Stdin = io.MultiReader() // a pipe
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), `unknown argument "extra"`) {
		t.Errorf("regate-standalone extra says %q, %v", out, err)
	}
}
