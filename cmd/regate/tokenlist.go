package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/regate/regate/authsvc/secret"
	"github.com/regate/regate/cmd/internal/gate"
)

// kinds are those that can be listed alone.
var kinds = []string{secret.Personal, secret.Robot, secret.Refresh}

func tokenList(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "list",
		Short: "List tokens and robots, and who uses them",
		Long: `list shows the tokens of people and the secrets of robots, those too that have expired within the last week.
With --owner, or with --kind refresh, it also shows what docker login was given to keep instead of the password.
When a token was used last is noted once an hour.`,
		Example: `  regate token list
  regate token list --owner team-ci
  regate token list --kind robot --json | jq -r '.[] | select(.last_used == null) | .id'`,
		Args: noArgs,
	}
	config, asJSON := configFlag(c), jsonFlag(c)
	var q gate.TokenQuery
	c.Flags().StringVar(&q.Owner, "owner", "", "only those of the `account`")
	c.Flags().StringVar(&q.Kind, "kind", "", "only those of a `kind`: "+strings.Join(kinds, ", "))
	c.RunE = func(c *cobra.Command, _ []string) error {
		if q.Kind != "" && !slices.Contains(kinds, q.Kind) {
			return usagef("--kind %q is none of %s", q.Kind, strings.Join(kinds, ", "))
		}
		gates, err := control(*config)
		if err != nil {
			return err
		}
		all, err := gates.Tokens(c.Context(), q)
		if err != nil {
			return err
		}
		slices.SortFunc(all, byOwner)
		if *asJSON {
			return printJSON(s.out, append([]gate.TokenInfo{}, all...))
		}
		if len(all) == 0 {
			_, err := fmt.Fprintln(s.out, none(q))
			return err
		}
		return printTokens(s.out, all, time.Now())
	}
	return c
}

func byOwner(a, b gate.TokenInfo) int {
	return cmp.Or(cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
}

// none is what an empty list says. Who has just logged in with docker looks for
// that, and would not find it.
func none(q gate.TokenQuery) string {
	if q == (gate.TokenQuery{}) {
		return "There are none. What docker was given at its logins is listed with --kind refresh, or --owner."
	}
	return "There are none."
}

func printTokens(w io.Writer, all []gate.TokenInfo, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tOWNER\tKIND\tNAME\tEXPIRES\tLAST USED\tFOR")
	for _, one := range all {
		fmt.Fprintln(t, strings.Join([]string{one.ID, legible(one.Owner), one.Kind, legible(one.Name), expiry(one, now), moment(one.Used), goodFor(one)}, "\t"))
	}
	return t.Flush()
}

func tokenShow(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Show all that is known of a token",
		Long:  `show prints what is known of a token, all but its text, which nobody knows but who has it.`,
		Example: `  regate token show 0a7Zk3QnXw81bC
  regate token show 0a7Zk3QnXw81bC --json`,
		Args: oneID,
	}
	config, asJSON := configFlag(c), jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("say which: an id, as regate token list shows it")
		}
		gates, err := control(*config)
		if err != nil {
			return err
		}
		one, err := gates.ShowToken(c.Context(), args[0])
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(s.out, one)
		}
		return printToken(s.out, one, time.Now())
	}
	return c
}

func printToken(w io.Writer, one gate.TokenInfo, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	rows := [][2]string{
		{"id", one.ID}, {"kind", one.Kind}, {"owner", legible(one.Owner)}, {"vouched by", one.Method}, {"name", legible(one.Name)},
		{"made", moment(&one.Created)}, {"expires", expiry(one, now)}, {"last used", moment(one.Used)}, {"for", goodFor(one)},
	}
	if one.Service != "" {
		rows = append(rows, [2]string{"service", one.Service})
	}
	for _, row := range rows {
		fmt.Fprintf(t, "%s\t%s\n", row[0], row[1])
	}
	return t.Flush()
}

func moment(at *time.Time) string {
	if at == nil {
		return "never"
	}
	return at.UTC().Format("2006-01-02 15:04Z")
}

// legible is what a terminal can be shown of a name that others have chosen.
func legible(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

// expiry says of two secrets of a robot which one goes.
func expiry(t gate.TokenInfo, now time.Time) string {
	switch {
	case t.Expires == nil:
		return "never"
	case t.Expired:
		return moment(t.Expires) + ", expired"
	case t.Replaced:
		return moment(t.Expires) + ", replaced"
	case t.Expires.Sub(now) < 7*24*time.Hour:
		return moment(t.Expires) + ", soon"
	}
	return moment(t.Expires)
}

func goodFor(t gate.TokenInfo) string {
	if len(t.Within) == 0 {
		return "all that the owner may"
	}
	var all []string
	for _, b := range t.Within {
		all = append(all, b.Repository+":"+strings.Join(b.Actions, ","))
	}
	return strings.Join(all, " ")
}

// describe says whose a token is, and what it is for.
func describe(t gate.TokenInfo) string {
	what := map[string]string{
		secret.Personal: "the token %q of %s",
		secret.Robot:    "the secret of the robot %q of %s",
		secret.Refresh:  "the login %q of %s",
	}[t.Kind]
	if what == "" {
		what = "what is called %q of %s"
	}
	return fmt.Sprintf(what, legible(t.Name), legible(t.Owner)) + ", for " + goodFor(t)
}

func until(t gate.TokenInfo, now time.Time) string {
	if t.Expires == nil {
		return "good for ever"
	}
	return "good until " + expiry(t, now)
}

func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
