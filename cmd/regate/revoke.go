package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/regate/regate/authsvc/secret"
	"github.com/regate/regate/cmd/internal/gate"
)

func revokeCommand(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "revoke (--subject ACCOUNT | --family ID | --token ID)",
		Short: "Have the gate refuse tokens before their time",
		Long: `revoke asks the gate that runs here, through its control socket. Tokens are refused at once, and
at other gates of the same state within seconds. It closes no account: whoever can still log in
gets new tokens. Where no gate runs, and the state is in Redis, it writes there itself.`,
		Example: `  regate revoke --subject alice            all that alice was given up to now: logins of docker, tokens, robots
  regate revoke --family 3kTz0yQfV8sWbE    one of these, and all that follows from it; the log has the id
  regate revoke --token JZ3YQ2XKD4         one token; the log of its requests has the id`,
		Args: noArgs,
	}
	config := configFlag(c)
	subject := c.Flags().String("subject", "", "the `account` whose tokens are refused; \"\" is the anonymous")
	token := c.Flags().String("token", "", "the `id` (jti) of the one token that is refused")
	family := c.Flags().String("family", "", "the `id` of the login, personal token or robot's secret that ends, with all tokens that follow from it")
	c.RunE = func(c *cobra.Command, _ []string) error {
		what := gate.Revocation{Token: *token, Family: *family}
		if c.Flags().Changed("subject") {
			what.Subject = subject
		}
		if err := one(what); err != nil {
			return err
		}
		file, err := loadBeside(*config)
		if err != nil {
			return err
		}
		answer, err := gate.ControlOf(file).Revoke(c.Context(), what)
		if err != nil {
			return err
		}
		fmt.Fprint(s.out, answer)
		return nil
	}
	return c
}

// one returns an error unless what names one thing.
func one(what gate.Revocation) error {
	n := 0
	for _, named := range []bool{what.Subject != nil, what.Token != "", what.Family != ""} {
		if named {
			n++
		}
	}
	switch {
	case n != 1:
		return usagef("say what to revoke: --subject, --family or --token, one of them")
	case strings.HasPrefix(what.Family, secret.Prefix):
		return usagef("--family is the id alone, which stands between %s and the next underscore; what is written on a command line is no secret any more", secret.Prefix)
	case what.Subject != nil && strings.HasPrefix(*what.Subject, secret.Prefix): // the log would have it
		return usagef("--subject is the account; for what begins with %s there is --family", secret.Prefix)
	case strings.HasPrefix(what.Token, secret.Prefix), strings.Contains(what.Token, "."): // nothing would be refused, and it would be said that it is
		return usagef("--token is the id alone (jti), which the log has; for what begins with %s there is --family", secret.Prefix)
	}
	return nil
}
