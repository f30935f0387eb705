package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/regate/regate/cmd/internal/gate"
)

func reloadCommand(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "reload",
		Short: "Have the gate that runs here read its configuration again",
		Long: `reload asks the gate through its control socket, waits for it, and prints what it says: all
mistakes of a configuration that it refuses. The gate does the same by itself when the file changes.`,
		Example: "  regate reload -c /etc/regate/regate.yaml",
		Args:    noArgs,
	}
	config := configFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		file, err := loadBeside(*config)
		if err != nil {
			return err
		}
		answer, err := gate.NewControl(file.ControlSocket()).Reload(c.Context())
		if err != nil {
			return err
		}
		fmt.Fprint(s.out, answer)
		return nil
	}
	return c
}
