package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/regate/regate/cmd/internal/gate"
	"github.com/regate/regate/internal/systemd"
)

func serveCommand(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the gate",
		Long: `serve runs the gate until it gets SIGTERM or SIGINT. It then says 503 at /readyz, lets
running transfers finish (listen.grace, listen.drain), and ends; a second signal ends it at once.
From systemd it takes the sockets named https, http and admin, and tells it when it is ready.

The configuration is read again when it or a file that it names changes, on SIGHUP, and by
regate reload. One that has a mistake changes nothing.`,
		Example: "  regate serve -c /etc/regate/regate.yaml",
		Args:    noArgs,
	}
	config := configFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		// Caught before the first load: the default of SIGHUP is to die.
		reload := make(chan os.Signal, 1)
		signal.Notify(reload, syscall.SIGHUP)
		defer signal.Stop(reload)
		path, err := configPath(*config)
		if err != nil {
			return err
		}
		sockets, err := systemd.Sockets()
		if err != nil {
			return err
		}
		// Whether systemd hears it is its own affair: it has a time-out.
		context.AfterFunc(c.Context(), func() { _ = systemd.Notify(systemd.Stopping) })
		return gate.Serve(c.Context(), gate.Options{
			Path: path, Version: version, Log: s.err, Reload: reload, Sockets: sockets,
			Ready: func(gate.Facts) { _ = systemd.Notify(systemd.Ready) },
		})
	}
	return c
}
