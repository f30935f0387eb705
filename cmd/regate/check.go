package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/cmd/internal/gate"
	"github.com/regate/regate/configs"
)

func checkCommand(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "check",
		Short: "Find every mistake in a configuration",
		Long: `check prints "ok", or every mistake with its file and line, and exits with 1. What is legal
but looks unintended, such as a rule that can never match, is printed as a warning. It reads the
files that the configuration names (certificates, passwords), and connects to nothing.`,
		Example: "  regate check -c regate.yaml",
		Args:    noArgs,
	}
	config := configFlag(c)
	c.RunE = func(*cobra.Command, []string) error {
		file, err := load(*config)
		if err != nil {
			return err
		}
		for _, w := range append(file.Warnings, gate.Remarks(file)...) {
			fmt.Fprintf(s.err, "%s:%d: warning: %s: %s\n", file.Path(), w.Line, w.Path, w.Msg)
		}
		if err := warnShadowed(s.err, file); err != nil {
			return err
		}
		if err := gate.Check(file); err != nil {
			return err
		}
		if note := asRoot(file, os.Geteuid()); note != "" {
			fmt.Fprintln(s.err, note)
		}
		fmt.Fprintln(s.out, "ok")
		return nil
	}
	return c
}

// warnShadowed names the rules that can never match.
func warnShadowed(w io.Writer, file *configs.File) error {
	rules, err := acl.Compile(file.Auth.ACL)
	if err != nil {
		return err
	}
	never, _ := rules.Shadowed()
	for _, n := range never {
		fmt.Fprintf(w, "%s: warning: auth.acl[%d] can never match: auth.acl[%d] comes first and takes all of it\n", file.Path(), n.Rule, n.By)
	}
	return nil
}
