package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/regate/regate/authsvc"
	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/authn/static"
	"github.com/regate/regate/authsvc/password"
	"github.com/regate/regate/configs"
	"github.com/regate/regate/internal/oci"
)

// A question is what explain is asked, as its flags say it.
type question struct {
	user, ip, service string
	labels, scopes    []string
	json              bool
}

func explainCommand(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "explain",
		Short: "Say which rule decides, and what is granted",
		Long: `explain decides as a running gate would, and says for each scope which rule of auth.acl it was,
why none before it, and what is granted. The labels of the account are those in auth.users and those
given with --label. It also lists the rules that can never match. It says so where a running gate
would ask a program, a hook, a policy, or the rules of a database, but does not ask them.`,
		Example: `  regate explain -c regate.yaml --user alice --scope repository:web/shop:pull,push
  regate explain --user bob --label team=web --ip 10.1.2.3 --scope repository:web/shop:push --json
  regate explain --scope repository:pub/tool:pull        # the anonymous`,
		Args: noArgs,
	}
	config := configFlag(c)
	var q question
	c.Flags().StringVar(&q.user, "user", "", "the `account`; none is the anonymous")
	c.Flags().StringArrayVar(&q.labels, "label", nil, "a label of the account, as `key=value`; may be repeated")
	c.Flags().StringVar(&q.ip, "ip", "", "the `address` of the client")
	c.Flags().StringVar(&q.service, "service", "", "the service that a token is asked for (default auth.token.service)")
	c.Flags().StringArrayVar(&q.scopes, "scope", nil, "what is asked for, as `type:name:actions`; may be repeated")
	c.Flags().BoolVar(&q.json, "json", false, "print JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		file, err := load(*config)
		if err != nil {
			return err
		}
		return explain(c.Context(), s, file, q)
	}
	return c
}

// A report is the answer.
type report struct {
	Account     string            `json:"account"`
	Known       bool              `json:"known"`              // whether the account is in auth.users
	ExtAuth     string            `json:"ext_auth,omitempty"` // who would be asked about an account that is not known
	Answers     []acl.Explanation `json:"answers"`
	Next        []string          `json:"next,omitempty"`      // the keys of all that would be asked where no rule decides, in their order
	ExtAuthz    string            `json:"ext_authz,omitempty"` // who that is for this key
	Never       []acl.Shadow      `json:"never"`
	NotCompared []int             `json:"not_compared"`

	file *configs.File
}

func explain(ctx context.Context, s streams, file *configs.File, q question) error {
	scope, err := oci.ParseScope(q.scopes)
	if err != nil {
		return usageError{err}
	}
	if len(scope) == 0 {
		return usagef("--scope is missing, or names nothing that could be granted, such as repository:team/app:pull,push")
	}
	rules, err := acl.Compile(file.Auth.ACL)
	if err != nil {
		return err
	}
	ask, known, err := q.ask(ctx, file)
	if err != nil {
		return err
	}
	r := report{Account: q.user, Known: known, file: file}
	if c := file.Auth.ExtAuth; c != nil {
		r.ExtAuth = c.Asked()
	}
	r.Next = next(file.Auth)
	if c := file.Auth.ExtAuthz; c != nil {
		r.ExtAuthz = c.Asked()
	}
	for _, want := range scope {
		ask.Want = want
		r.Answers = append(r.Answers, rules.Explain(ask))
	}
	never, notCompared := rules.Shadowed()
	r.Never, r.NotCompared = append([]acl.Shadow{}, never...), append([]int{}, notCompared...) // [] in JSON, not null
	if q.json {
		enc := json.NewEncoder(s.out)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	r.print(s.out, scope)
	return nil
}

// next are the keys of what decides where no rule of acl does, in their order.
func next(c authsvc.Config) (keys []string) {
	for _, of := range []struct {
		key   string
		there bool
	}{
		{"acl_mongo", c.ACLMongo != nil},
		{"acl_xorm", c.ACLXorm != nil},
		{"ext_authz", c.ExtAuthz != nil},
		{"casbin_authz", c.CasbinAuthz != nil},
	} {
		if of.there {
			keys = append(keys, of.key)
		}
	}
	return keys
}

// ask is the question but for what is wanted.
func (q question) ask(ctx context.Context, file *configs.File) (a acl.Ask, known bool, err error) {
	users := static.New(file.Auth.Users, password.NewPool(password.Options{}))
	id, err := users.Find(ctx, q.user)
	known = err == nil
	if err != nil && !errors.Is(err, authn.ErrUnknownUser) {
		return a, false, err
	}
	id.Account = q.user
	for _, l := range q.labels {
		key, value, ok := strings.Cut(l, "=")
		if !ok || key == "" {
			return a, false, usagef("--label %q is not key=value", l)
		}
		if id.Labels == nil {
			id.Labels = make(authn.Labels)
		}
		id.Labels[key] = append(id.Labels[key], authn.Label{Value: value})
	}
	a = acl.Ask{Identity: id, Service: q.service}
	if a.Service == "" {
		a.Service = file.Auth.Token.WithDefaults().Service
	}
	if q.ip == "" {
		return a, known, nil
	}
	if a.From, err = netip.ParseAddr(q.ip); err != nil {
		return a, false, usagef("--ip %q is no address", q.ip)
	}
	return a, known, nil
}

func (r report) print(w io.Writer, scope oci.Scope) {
	if !r.Known && r.Account == authn.Anonymous {
		fmt.Fprint(w, "there is no anonymous in auth.users, so nobody gets this without logging in\n\n")
	} else if !r.Known {
		fmt.Fprintf(w, "%q is not in auth.users; its labels are those given with --label\n", r.Account)
		if r.ExtAuth != "" {
			fmt.Fprintf(w, "ext_auth would be asked about it, and could give it others: %s\n", r.ExtAuth)
		}
		fmt.Fprintln(w)
	}
	for i, e := range r.Answers {
		fmt.Fprintf(w, "asked     %s\ngranted   %s\n", scope[i], r.granted(e))
		for _, m := range e.Missed {
			fmt.Fprintf(w, "  acl[%d]  does not match: %s\n", m.Rule, m.Because)
		}
		switch {
		case e.Undecided:
			fmt.Fprintf(w, "  acl[%d]  has too many combinations of labels to try, so nothing is granted\n          %s\n", e.Rule, e.Text)
		case e.Rule < 0:
			fmt.Fprintf(w, "  no rule matches%s\n", r.after())
		default:
			fmt.Fprintf(w, "  acl[%d]  decides: %s\n          %s:%d\n", e.Rule, e.Text, r.file.Path(), r.file.Line(fmt.Sprintf("auth.acl[%d]", e.Rule)))
		}
		fmt.Fprintln(w)
	}
	for _, n := range r.Never {
		fmt.Fprintf(w, "acl[%d] can never match: acl[%d] comes first and takes all of it\n", n.Rule, n.By)
	}
	for _, i := range r.NotCompared {
		fmt.Fprintf(w, "acl[%d] was not compared: it is a regular expression with variables\n", i)
	}
}

func (r report) granted(e acl.Explanation) string {
	switch {
	case e.Rule < 0 && len(r.Next) > 0:
		return "what " + strings.Join(r.Next, " or ") + " says"
	case e.Granted.Actions == 0:
		return "nothing"
	}
	return e.Granted.Actions.String()
}

// after says who would be asked where no rule matches, if anybody would be.
func (r report) after() string {
	switch {
	case len(r.Next) == 0:
		return ""
	case r.ExtAuthz == "":
		return ", so " + strings.Join(r.Next, ", then ") + " would be asked"
	}
	return ", so " + strings.Join(r.Next, ", then ") + " would be asked: " + r.ExtAuthz
}
