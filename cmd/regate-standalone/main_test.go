package main

import (
	"os"
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
