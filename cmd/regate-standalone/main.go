// Command regate-standalone is the gate with a registry inside, for one
// machine and for trying it out: one command, and docker login works. It
// writes a configuration on its first start and runs the same gate as regate
// with it; the registry is distribution's, on a Unix socket that only the
// owner can open, so that the gate is the only way in.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/regate/regate/authsvc/password"
	"github.com/regate/regate/cmd/internal/gate"
)

// version is set by the linker.
var version = "dev"

const usage = `regate-standalone runs a gate with a registry inside.

  regate-standalone --data ./data

It keeps everything in the data directory: the configuration (regate.yaml, yours to change), the
images, the keys, and the CA. The first start makes an admin account and prints its password once.

Flags:
`

func main() {
	if password.IsHelper() {
		os.Exit(password.Help())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop)
	flag.Usage = func() {
		fmt.Fprint(os.Stderr, usage)
		flag.PrintDefaults()
	}
	data := flag.String("data", "data", "`directory` that keeps everything")
	listen := flag.String("listen", "127.0.0.1:8443", "https `address`, for the configuration that the first start writes")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "regate-standalone: unknown argument %q\n", flag.Arg(0))
		os.Exit(2)
	}
	if err := run(ctx, *data, *listen); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run starts the registry and the gate in front of it, until ctx is done.
func run(ctx context.Context, data, listen string) error {
	data, err := filepath.Abs(data)
	if err != nil {
		return err
	}
	home := home{data}
	password, err := home.prepare(listen)
	if err != nil {
		return err
	}
	told := password == ""
	defer func() {
		if !told { // the next start is the first one again, or nobody would know the password
			_ = os.Remove(home.config())
		}
	}()
	if err := home.stayed(); err != nil {
		return err
	}
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	inside, err := startRegistry(ctx, home)
	if err != nil {
		return err
	}
	err = gate.Serve(ctx, gate.Options{
		Path:    home.config(),
		Version: version,
		Log:     os.Stderr,
		Reload:  reload,
		Ready: func(f gate.Facts) {
			home.welcome(os.Stdout, f, password)
			told = true
		},
	})
	return errors.Join(err, inside.Close())
}
