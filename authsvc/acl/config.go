package acl

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Config is the list of rules, in the order in which they are tried.
type Config []Rule

// A Rule grants actions to everybody and everything that its match describes.
type Rule struct {
	// Match says when the rule applies; all of its conditions must hold. It
	// has to be there: {} matches everything.
	Match *Match `yaml:"match"`
	// Actions are granted as far as they are asked for: pull, push, delete.
	// ["*"] grants whatever is asked for, and only that lists the catalog;
	// [] refuses. It has to be there.
	Actions []string `yaml:"actions"`
	// Comment is for people; explain prints it.
	Comment string `yaml:"comment"`
}

// Match is the conditions of a rule. One that is absent always holds.
//
// A pattern is a glob for the whole text, in which * and ? do not match "/"
// (Go's path.Match), or, between slashes, a regular expression that may match
// anywhere in it: /^team-[0-9]+\/.*$/. Both may hold ${account}, ${type},
// ${name}, ${service}, ${account:1} (what the first group of the regular
// expression for the account matched) and ${labels:group} (any value of the
// label), all of them taken literally, but for label values that the operator
// wrote, which are globs in globs. A pattern has at most 32 KiB.
type Match struct {
	// Account is a pattern; "" matches only those who did not log in.
	Account *string `yaml:"account"`
	// Type is a pattern for repository or registry.
	Type *string `yaml:"type"`
	// Name is a pattern for the repository, or catalog for type registry.
	Name *string `yaml:"name"`
	// Service is a pattern for the service that a token is asked for.
	Service *string `yaml:"service"`
	// IP is the address of the client, or its network: 10.0.0.0/8.
	IP *string `yaml:"ip"`
	// Labels are patterns for labels of the account; of each that is named,
	// one value must match. ${labels:…} cannot stand in them.
	Labels map[string]string `yaml:"labels"`
}

// String is the rule as it would be written on one line.
func (r Rule) String() string {
	items := make([]string, 0, 3)
	if r.Match != nil {
		items = append(items, "match: "+r.Match.String())
	}
	if r.Actions != nil {
		items = append(items, fmt.Sprintf("actions: [%s]", strings.Join(quoteAll(r.Actions), ", ")))
	}
	if r.Comment != "" {
		items = append(items, "comment: "+strconv.Quote(r.Comment))
	}
	return "{" + strings.Join(items, ", ") + "}"
}

// String is the conditions as they would be written on one line.
func (m *Match) String() string {
	var items []string
	for f, p := range m.fields() {
		if p != nil {
			items = append(items, field(f).String()+": "+strconv.Quote(*p))
		}
	}
	if m.IP != nil {
		items = append(items, "ip: "+strconv.Quote(*m.IP))
	}
	if len(m.Labels) > 0 {
		items = append(items, "labels: {"+strings.Join(m.labelItems(), ", ")+"}")
	}
	return "{" + strings.Join(items, ", ") + "}"
}

func (m *Match) labelItems() []string {
	var items []string
	for _, label := range m.labelNames() {
		items = append(items, strconv.Quote(label)+": "+strconv.Quote(m.Labels[label]))
	}
	return items
}

// fields are the patterns by field.
func (m *Match) fields() [numFields]*string {
	return [numFields]*string{account: m.Account, typ: m.Type, name: m.Name, service: m.Service}
}

func (m *Match) labelNames() []string {
	names := make([]string, 0, len(m.Labels))
	for label := range m.Labels {
		names = append(names, label)
	}
	slices.Sort(names)
	return names
}

// everything reports whether there is no condition at all.
func (m *Match) everything() bool {
	return m.fields() == [numFields]*string{} && m.IP == nil && len(m.Labels) == 0
}

// quoteAll quotes what could be taken for something else than a word.
func quoteAll(words []string) []string {
	quoted := make([]string, len(words))
	for i, w := range words {
		if quoted[i] = w; !slices.Contains([]string{"pull", "push", "delete"}, w) {
			quoted[i] = strconv.Quote(w)
		}
	}
	return quoted
}
