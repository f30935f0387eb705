// Command regate is the gate in front of container registries: see the README
// and `regate --help`. This package has its commands; how the parts of a
// running gate fit together is in cmd/internal/gate.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/regate/regate/authsvc/password"
)

// version is set by the linker.
var version = "dev"

func main() {
	if password.IsHelper() {
		os.Exit(password.Help())
	}
	// The first signal drains; after it the default is back, so that a second
	// one ends the program at once.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// streams are what a command reads and writes. The log of serve goes to err.
type streams struct {
	in  io.Reader
	out io.Writer
	err *os.File
}
