package acl

import (
	"fmt"
	"math/rand/v2"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/oci"
)

// The reference decides as docker_auth does: one rule after the other, each
// pattern put together as text and compiled anew, each combination of labels
// on its own. It shares nothing with the package but the types.

func referenceAllow(c Config, a Ask) oci.Access {
	for _, r := range c {
		if !referenceMatches(r.Match, a) {
			continue
		}
		var granted oci.Actions
		for _, name := range r.Actions {
			act, _ := oci.ParseAction(name)
			granted |= act & a.Want.Actions
		}
		if slices.Equal(r.Actions, []string{"*"}) {
			granted = a.Want.Actions
		}
		a.Want.Actions = granted
		return a.Want
	}
	a.Want.Actions = 0
	return a.Want
}

func referenceMatches(m *Match, a Ask) bool {
	fields := referenceFields(a)
	patterns := map[string]*string{"account": m.Account, "type": m.Type, "name": m.Name, "service": m.Service}
	vars := map[string]string{}
	for name, text := range fields {
		vars["${"+name+"}"] = text
		if p := patterns[name]; p != nil && strings.HasPrefix(*p, "/") {
			re, err := regexp.Compile(strings.Trim(*p, "/"))
			if err != nil {
				continue // it has a variable, so nothing refers to it
			}
			for i, group := range re.FindStringSubmatch(text) {
				vars[fmt.Sprintf("${%s:%d}", name, i)] = group
			}
		}
	}
	for name, p := range patterns {
		if p != nil && !referenceText(*p, fields[name], vars, a.Identity.Labels) {
			return false
		}
	}
	for label, p := range m.Labels {
		values := a.Identity.Labels[label]
		if !slices.ContainsFunc(values, func(l authn.Label) bool { return referenceText(p, l.Value, vars, nil) }) {
			return false
		}
	}
	return m.IP == nil || strings.HasPrefix(a.From.Unmap().String(), strings.TrimSuffix(*m.IP, "0.0.0/8"))
}

func referenceFields(a Ask) map[string]string {
	return map[string]string{"account": a.Identity.Account, "type": a.Want.Type, "name": a.Want.Name, "service": a.Service}
}

var labelVariable = regexp.MustCompile(`\$\{labels:([^}]*)\}`)

func referenceText(p, s string, vars map[string]string, labels authn.Labels) bool {
	if len(p) > 2 && p[0] == '/' && p[len(p)-1] == '/' {
		return referenceTry(p[1:len(p)-1], s, true, vars, labels)
	}
	return referenceTry(p, s, false, vars, labels)
}

// referenceTry tries p with the first label in it replaced by each of its
// values, and so on for the next.
func referenceTry(p, s string, regex bool, vars map[string]string, labels authn.Labels) bool {
	if found := labelVariable.FindStringSubmatch(p); found != nil {
		for _, l := range labels[found[1]] {
			if referenceTry(strings.ReplaceAll(p, found[0], referenceQuote(l, regex)), s, regex, vars, labels) {
				return true
			}
		}
		// A label that has no value matches nothing, but beside it another may.
		return regex && referenceTry(strings.ReplaceAll(p, found[0], never), s, regex, vars, labels)
	}
	for name, value := range vars {
		p = strings.ReplaceAll(p, name, referenceQuote(authn.Label{Value: value}, regex))
	}
	if regex {
		ok, err := regexp.MatchString(p, s)
		return ok && err == nil
	}
	ok, err := path.Match(p, s)
	return ok && err == nil
}

var globMeta = regexp.MustCompile(`[*?\[\\]`)

func referenceQuote(l authn.Label, regex bool) string {
	_, malformed := path.Match(l.Value, "")
	switch {
	case regex:
		return regexp.QuoteMeta(l.Value)
	case l.Pattern && malformed == nil:
		return l.Value
	}
	return globMeta.ReplaceAllString(l.Value, `\$0`)
}

// random makes rules and asks of few words, so that they often meet.
type random struct{ *rand.Rand }

func (r random) one(words ...string) string { return words[r.IntN(len(words))] }

func (r random) word() string {
	return r.one("a", "b", "ab", "team", "t-1", "a.b", "x*", "[a", "a/b", "é")
}

func (r random) glob(extra ...string) string {
	var b strings.Builder
	for range 1 + r.IntN(3) {
		b.WriteString(r.one(append(extra, "*", "?", "/", "[ab]", "[^a]", "a", "b", "team", `\*`)...))
	}
	return b.String()
}

func (r random) regex(extra ...string) string {
	var b strings.Builder
	for range 1 + r.IntN(3) {
		b.WriteString(r.one(append(extra, "a", "b", "(?:a|team)", ".*", "[a-c]", "(t|a)?", `\/`, "team", "a+", "(?i)A", "x|a")...))
		b.WriteString(r.one("", "", "", "|"))
	}
	return "/" + r.one("", "^") + b.String() + r.one("", "$") + "/"
}

func (r random) pattern(extra ...string) *string {
	p := r.one(r.word(), "", r.glob(), r.glob(extra...), r.regex(), r.regex(extra...))
	return &p
}

func (r random) match() *Match {
	var m Match
	labels := []string{"${labels:g}", "${labels:h}", "${labels:none}"}
	variables := append(labels, "${account}", "${name}", "${service}")
	if r.IntN(2) == 0 {
		m.Account = r.pattern(variables...)
	}
	if r.IntN(8) == 0 {
		p := r.one("/^(.)(.*)$/", "/(a)(b)?/", "/^(team|a)-?([0-9]*)/")
		m.Account = &p
		variables = append(variables, "${account:1}", "${account:2}", "${account:1}")
	}
	if r.IntN(2) == 0 {
		m.Name = r.pattern(append(variables, "${account}/", "${labels:g}/${labels:h}")...)
	}
	if r.IntN(8) == 0 {
		m.Service = r.pattern(variables...)
	}
	if r.IntN(8) == 0 {
		ip := r.one("10.0.0.0/8", "10.1.1.1")
		m.IP = &ip
	}
	for range r.IntN(2) {
		m.Labels = map[string]string{r.one("g", "h"): *r.pattern("${account}", "${name}")}
	}
	return &m
}

func (r random) config() Config {
	var c Config
	for range 1 + r.IntN(12) {
		actions := [][]string{{"*"}, {}, {"pull"}, {"pull", "push"}, {"delete"}}
		c = append(c, Rule{Match: r.match(), Actions: actions[r.IntN(len(actions))]})
	}
	return c
}

func (r random) labels() []authn.Label {
	var values []authn.Label
	for range r.IntN(4) {
		values = append(values, authn.Label{Value: r.one(r.word(), r.word(), "", r.glob(), `a\`), Pattern: r.IntN(2) == 0})
	}
	return values
}

func (r random) ask() Ask {
	return Ask{
		Identity: authn.Identity{
			Account: r.one("", r.word(), r.word(), r.word()+r.word(), "alice-7"),
			Labels:  authn.Labels{"g": r.labels(), "h": r.labels()},
		},
		From:    addr(r.one("10.1.1.1", "10.2.2.2", "::ffff:10.1.1.1", "192.0.2.1", "2001:db8::1", "")),
		Service: r.one("a", "registry"),
		Want: oci.Access{
			Type:    oci.Repository,
			Name:    r.one(r.word(), r.word()+"/"+r.word(), r.word()+r.word(), "a/b/team", "team/a"),
			Actions: oci.Actions(1 + r.IntN(int(oci.All))),
		},
	}
}

func TestAllowIsTheReference(t *testing.T) {
	t.Parallel()
	r := random{rand.New(rand.NewPCG(1, 2))}
	lists, granted := 0, 0
	for range 2_000 {
		c := r.config()
		l, err := Compile(c)
		if err != nil {
			continue
		}
		lists++
		for range 20 {
			a := r.ask()
			got, want := l.allow(a), referenceAllow(c, a)
			if got != want {
				t.Fatalf("allow(%+v) = %v, want %v, with\n%s", a, got, want, lines(c))
			}
			if got.Actions != 0 {
				granted++
			}
		}
	}
	if lists < 500 || granted < lists {
		t.Errorf("%d of the lists compile and %d of the asks get something: too few to tell", lists, granted)
	}
	t.Logf("%d lists, %d grants", lists, granted)
}

func lines(c Config) string {
	var b strings.Builder
	for i, r := range c {
		fmt.Fprintf(&b, "%d: %v\n", i, r)
	}
	return b.String()
}
