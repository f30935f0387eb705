package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/regate/regate/authsvc/secret"
	"github.com/regate/regate/cmd/internal/gate"
)

func tokenCommand(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "token",
		Short: "Make, list, change and end the tokens of people and of machines",
		Long: `token asks the gate that runs here, through its control socket. A token stands in for a password, at
docker login and everywhere else, with the name of the account that owns it as the user name. It can do
what its owner can, or less, and never more.

A personal token is of a person, and has limits in auth.personal_tokens. A robot is a machine that acts for
an account: it has a name, and two secrets at most, so that it gets a new one without a gap. Its owner may
be an account of auth.users with no_password: true.

Where no gate runs, and the state is in Redis, list, show and delete ask there themselves.`,
		Example: `  regate token create --owner team-ci --robot deploy --expires 90d --repository 'team/**' --action pull,push
  regate token create --owner alice --name laptop
  regate token list --owner team-ci
  regate token rotate --owner team-ci --robot deploy --keep 24h
  regate token delete --owner team-ci --robot deploy`,
		Args: noCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(tokenCreate(s), tokenList(s), tokenShow(s), tokenRotate(s), tokenDelete(s))
	return c
}

func tokenCreate(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "create --owner ACCOUNT (--name NAME | --robot NAME --expires TIME)",
		Short: "Make a personal token, or a robot with its first secret",
		Long: `create prints the token alone to the standard output, once: nothing can show it again. All else that it
says goes to the standard error.

Without --repository and --scope it is for all that its owner may. In a repository, * stands for anything
but a slash, and ** for any number of components: 'team/*' is team/app, 'team/**' is team/app/cache as well.
docker push needs pull beside push.

A personal token is good for 90 days, or for as long as auth.personal_tokens.max_life, unless --expires says
something else. Robots have no such limit, but --expires or --endless must be given.`,
		Example: `  regate token create --owner team-ci --robot deploy --expires 90d --repository 'team/**' --action pull,push
  regate token create --owner team-ci --robot mirror --endless --scope 'repository:base/*:pull' --scope 'repository:team/**:pull,push'
  regate token create --owner alice --name laptop | docker login registry.example.com -u alice --password-stdin`,
		Args: noArgs,
	}
	config, asJSON := configFlag(c), jsonFlag(c)
	var o gate.TokenOrder
	var b boundFlags
	var l lifeFlags
	c.Flags().StringVar(&o.Owner, "owner", "", "the `account` that it acts for")
	c.Flags().StringVar(&o.Name, "name", "", "make a personal token, which is called `name`")
	c.Flags().StringVar(&o.Robot, "robot", "", "make the robot `name`")
	b.add(c)
	l.add(c)
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		if o.Within, err = b.bounds(); err != nil {
			return err
		}
		if o.Life, err = l.life(); err != nil {
			return err
		}
		o.Endless = l.endless
		if err := checkOrder(o); err != nil {
			return err
		}
		gates, err := control(*config)
		if err != nil {
			return err
		}
		made, err := gates.CreateToken(c.Context(), o)
		if err != nil {
			return err
		}
		return showMade(s, made, *asJSON)
	}
	return c
}

func checkOrder(o gate.TokenOrder) error {
	kind, name := secret.Personal, o.Name
	if o.Robot != "" {
		kind, name = secret.Robot, o.Robot
	}
	switch {
	case o.Owner == "":
		return usagef("say whose it is: --owner")
	case (o.Name == "") == (o.Robot == ""):
		return usagef("say what it is called: --name for a personal token, or --robot, one of them")
	case o.Robot != "" && o.Life == 0 && !o.Endless:
		return usagef("say how long the secret of the robot is good: --expires, or --endless")
	}
	if err := secret.CheckName(kind, name); err != nil {
		return usageError{err}
	}
	return nil
}

func tokenRotate(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "rotate --owner ACCOUNT --robot NAME",
		Short: "Give a robot another secret, and let the one before go on for a while",
		Long: `rotate prints the new secret alone to the standard output, once. It is good for the same repositories, and
for as long as the one before was meant to be, unless --expires says something else.

The secret before ends after --keep, or when it would have. Until then the robot has two, and gets no third,
but with --keep 0s: then all that there were end at once, with the tokens that were given out for them.`,
		Example: `  regate token rotate --owner team-ci --robot deploy                 # both are good for a day
  regate token rotate --owner team-ci --robot deploy --keep 0s       # the old one has leaked`,
		Args: noArgs,
	}
	config, asJSON := configFlag(c), jsonFlag(c)
	var o gate.RobotOrder
	var l lifeFlags
	addRobot(c, &o.Owner, &o.Robot)
	keep := c.Flags().String("keep", "24h", "the `time` for which the secret before stays good, such as 24h or 7d")
	l.add(c)
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		if o.Keep, err = parseLife("keep", *keep); err != nil {
			return err
		}
		if o.Life, err = l.life(); err != nil {
			return err
		}
		o.Endless = l.endless
		if o.Owner == "" || o.Robot == "" {
			return usagef("say which robot: --owner and --robot")
		}
		gates, err := control(*config)
		if err != nil {
			return err
		}
		done, err := gates.RotateRobot(c.Context(), o)
		if err != nil {
			return err
		}
		return showRotated(s, done, *asJSON)
	}
	return c
}

func tokenDelete(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "delete (ID | --owner ACCOUNT --robot NAME)",
		Short: "End a token, or a robot, at once",
		Long: `delete ends a token, and within seconds on all gates what was given out for it to docker and others. The id is
that of regate token list, and stands between the first two underscores of the token itself.`,
		Example: `  regate token delete 0a7Zk3QnXw81bC
  regate token delete --owner team-ci --robot deploy      # all its secrets`,
		Args: oneID,
	}
	config := configFlag(c)
	var which gate.TokenName
	addRobot(c, &which.Owner, &which.Robot)
	c.RunE = func(c *cobra.Command, args []string) error {
		named := which.Owner != "" && which.Robot != ""
		if len(args) > 0 {
			which.ID = args[0]
		}
		if named == (which.ID != "") || !named && which.Owner+which.Robot != "" {
			return usagef("say which: an id, or --owner and --robot")
		}
		gates, err := control(*config)
		if err != nil {
			return err
		}
		ended, err := gates.DeleteTokens(c.Context(), which)
		if err != nil {
			return err
		}
		for _, t := range ended {
			fmt.Fprintf(s.out, "%s has ended: %s\n", t.ID, describe(t))
		}
		return nil
	}
	return c
}

func addRobot(c *cobra.Command, owner, robot *string) {
	c.Flags().StringVar(owner, "owner", "", "the `account` that the robot acts for")
	c.Flags().StringVar(robot, "robot", "", "the `name` of the robot")
}

func oneID(c *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usagef("%s takes one id, and got %q", c.CommandPath(), args)
	}
	if len(args) == 1 && strings.HasPrefix(args[0], secret.Prefix) {
		return usagef("that is a token, which others can read in the history of the shell now: end it, by the id between its first two underscores")
	}
	return nil
}

func jsonFlag(c *cobra.Command) *bool { return c.Flags().Bool("json", false, "print JSON") }

// control asks the gate that runs with a configuration.
func control(config string) (*gate.Control, error) {
	file, err := loadBeside(config)
	if err != nil {
		return nil, err
	}
	return gate.ControlOf(file), nil
}

// showMade prints the text alone where a script reads it.
func showMade(s streams, made gate.NewToken, asJSON bool) error {
	if asJSON {
		return printJSON(s.out, made)
	}
	t := made.Token
	fmt.Fprintf(s.err, "%s, %s. Its id is %s. Nothing can show it again:\n", capital(describe(t)), until(t, time.Now()), t.ID)
	_, err := fmt.Fprintln(s.out, made.Text)
	return err
}

func showRotated(s streams, done gate.RotatedToken, asJSON bool) error {
	if asJSON {
		return printJSON(s.out, done)
	}
	for _, t := range done.Kept {
		fmt.Fprintf(s.err, "The secret %s, which it has, is %s.\n", t.ID, until(t, time.Now()))
	}
	for _, t := range done.Ended {
		fmt.Fprintf(s.err, "The secret %s, which it had, has ended.\n", t.ID)
	}
	for _, id := range done.Held {
		fmt.Fprintf(s.err, "What was given out for the secret %s could not be ended, and goes on for some minutes.\n", id)
	}
	return showMade(s, done.NewToken, false)
}

func printJSON(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(v)
}
