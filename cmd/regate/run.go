package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/regate/regate/configs"
	"github.com/regate/regate/internal/problem"
)

// Exit codes. Scripts tell a mistake in their own call from a gate that says no.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// run carries out one command line and returns the exit code.
func run(ctx context.Context, args []string, s streams) int {
	root := newRoot(s)
	root.SetArgs(args)
	c, err := root.ExecuteContextC(ctx)
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(s.err, "regate: %v\nSee `%s --help`.\n", err, c.CommandPath())
		return exitUsage
	}
	fmt.Fprintln(s.err, err)
	if who := whoMayNot(err); who != "" && os.Geteuid() != 0 { // root has read what a gate says that may not
		fmt.Fprintln(s.err, who)
	}
	return exitError
}

// newRoot is the table of commands. Each is a file of its own.
func newRoot(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "regate",
		Short: "The gate in front of container registries",
		Long: `regate ends TLS in front of plain registry:2 and registry:3 servers, gives out the
tokens that docker login needs, checks every request, and streams what it lets through.`,
		Example: `  regate hash                                  make the line for a user
  regate check -c regate.yaml                  find every mistake in a configuration
  regate serve -c regate.yaml                  run the gate
  regate trust https://registry.example.com    have docker and others trust it, where nobody else does
  regate explain --user alice --scope repository:web/shop:pull,push`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noCommand,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		serveCommand(s), checkCommand(s), explainCommand(s), hashCommand(s), importCommand(s),
		reloadCommand(s), revokeCommand(s), rootCommand(s), tokenCommand(s), trustCommand(s), versionCommand(s),
	)
	return root
}

// A usageError is a mistake in the command line.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no argument, and got %q", c.CommandPath(), args[0])
	}
	return nil
}

func noCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := meant(c, args[0]); near != "" {
		return usagef("there is no command %q; did you mean %s?", args[0], near)
	}
	return usagef("there is no command %q", args[0])
}

// meant is the command below c that somebody has probably meant.
func meant(c *cobra.Command, word string) string {
	var names []string
	for _, sub := range c.Commands() {
		names = append(names, sub.Name())
	}
	if near := problem.Nearest(word, names); near != "" {
		return c.CommandPath() + " " + near
	}
	if c.HasParent() {
		return "" // there is no third level
	}
	for _, sub := range c.Commands() {
		if near := meantBelow(sub, word); near != "" {
			return near
		}
	}
	return ""
}

// meantBelow is meant for what stands one level further down.
func meantBelow(c *cobra.Command, word string) string {
	if !c.HasSubCommands() {
		return ""
	}
	return meant(c, word)
}

// configFlag adds -c, which every command has that reads a configuration.
func configFlag(c *cobra.Command) *string {
	return c.Flags().StringP("config", "c", "", "the configuration (default ./regate.yaml, then /etc/regate/regate.yaml)")
}

// configPath is what -c says, or where a configuration is found.
func configPath(flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	return configs.Find()
}

func load(flag string) (*configs.File, error) { return loadBy(configs.Load, flag) }

// loadBeside is load for those who have not the variables that the service has:
// root in a shell, who revokes something.
func loadBeside(flag string) (*configs.File, error) { return loadBy(configs.LoadBeside, flag) }

func loadBy(load func(path string) (*configs.File, error), flag string) (*configs.File, error) {
	path, err := configPath(flag)
	if err != nil {
		return nil, err
	}
	return load(path)
}
