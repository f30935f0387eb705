package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/regate/regate/cmd/internal/gate"
)

func revokeCommand(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "revoke (--subject ACCOUNT | --token ID)",
		Short: "Have the gate refuse tokens before their time",
		Long: `revoke asks the gate that runs here, through its control socket. Tokens are refused at once, and
at other gates of the same state within seconds. It closes no account: whoever can still log in
gets new tokens.`,
		Example: `  regate revoke --subject alice           all that alice was given up to now, her personal tokens too
  regate revoke --token JZ3YQ2XKD4        one token; the log of its requests has the id`,
		Args: noArgs,
	}
	config := configFlag(c)
	subject := c.Flags().String("subject", "", `the account whose tokens are refused; "" is the anonymous`)
	token := c.Flags().String("token", "", "the id (jti) of the one token that is refused")
	c.RunE = func(c *cobra.Command, _ []string) error {
		what := gate.Revocation{Token: *token}
		if c.Flags().Changed("subject") {
			what.Subject = subject
		}
		if (what.Subject == nil) == (what.Token == "") {
			return usagef("say what to revoke: --subject or --token, one of them")
		}
		file, err := load(*config)
		if err != nil {
			return err
		}
		answer, err := gate.NewControl(file.ControlSocket()).Revoke(c.Context(), what)
		if err != nil {
			return err
		}
		fmt.Fprint(s.out, answer)
		return nil
	}
	return c
}
