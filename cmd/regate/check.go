package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func checkCommand(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "check",
		Short: "Find every mistake in a configuration",
		Long: `check prints "ok", or every mistake with its file and line, and exits with 1. What is legal
but looks unintended, such as a rule that can never match, is printed as a warning.`,
		Example: "  regate check -c regate.yaml",
		Args:    noArgs,
	}
	config := configFlag(c)
	c.RunE = func(*cobra.Command, []string) error {
		file, err := load(*config)
		if err != nil {
			return err
		}
		for _, w := range file.Warnings {
			fmt.Fprintf(s.err, "%s:%v\n", file.Path(), w)
		}
		fmt.Fprintln(s.out, "ok")
		return nil
	}
	return c
}
