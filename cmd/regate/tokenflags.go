package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/narrow"
	"github.com/regate/regate/internal/oci"
)

// boundFlags say what a token is good for.
type boundFlags struct {
	repositories, actions, scopes []string
}

func (b *boundFlags) add(c *cobra.Command) {
	c.Flags().StringArrayVar(&b.repositories, "repository", nil, "a `pattern` of the repositories that it is for; may be repeated")
	c.Flags().StringSliceVar(&b.actions, "action", nil, "what it is for there: `pull,push,delete`")
	c.Flags().StringArrayVar(&b.scopes, "scope", nil, "both at once, as `repository:pattern:actions`; may be repeated")
}

// bounds are those that the flags say; none if they say nothing.
func (b *boundFlags) bounds() (all []authn.Bound, err error) {
	switch {
	case len(b.repositories) > 0 && len(b.actions) == 0:
		return nil, usagef("say what the token is for in --repository: --action pull,push")
	case len(b.actions) > 0 && len(b.repositories) == 0:
		b.repositories = []string{"**"}
	}
	for _, name := range b.repositories {
		all = append(all, authn.Bound{Repository: name, Actions: b.actions})
	}
	for _, text := range b.scopes {
		typ, rest, _ := strings.Cut(text, ":")
		name, actions, found := strings.Cut(rest, ":")
		if typ != oci.Repository || !found {
			return nil, usagef("--scope %s: write it as repository:team/app:pull,push", strconv.QuoteToASCII(text))
		}
		all = append(all, authn.Bound{Repository: name, Actions: strings.Split(actions, ",")})
	}
	for _, bound := range all {
		if err := narrow.CheckRepository(bound.Repository); err != nil {
			return nil, usageError{err}
		}
		if err := narrow.CheckActions(bound.Actions); err != nil {
			return nil, usageError{err}
		}
	}
	return all, nil
}

// lifeFlags say how long a token is good.
type lifeFlags struct {
	expires string
	endless bool
}

func (l *lifeFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&l.expires, "expires", "", "after which `time` it ends, such as 12h or 90d")
	c.Flags().BoolVar(&l.endless, "endless", false, "it never ends by itself")
}

// life is 0 if nothing is said of it.
func (l *lifeFlags) life() (time.Duration, error) {
	if l.expires == "" {
		return 0, nil
	}
	if l.endless {
		return 0, usagef("--expires and --endless contradict each other")
	}
	life, err := parseLife("expires", l.expires)
	if err == nil && life <= 0 {
		err = usagef("--expires %s is over already", l.expires)
	}
	return life, err
}

// mostDays keeps a number of days from being more than a duration can hold.
const mostDays = 100_000

// parseLife reads days beside what Go reads.
func parseLife(flag, text string) (time.Duration, error) {
	if number, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(number); err == nil && n >= 0 && n <= mostDays {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	life, err := time.ParseDuration(text)
	if err != nil || life < 0 {
		return 0, usagef("--%s %s is no time: write it as 30m, 24h or 90d", flag, strconv.QuoteToASCII(text))
	}
	return life, nil
}
