package dockerauth

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/authn/ldap"
	"github.com/regate/regate/authsvc/casbin"
	"github.com/regate/regate/configs"
	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/internal/problem"
)

// nowhere is a machine without any of the files.
type nowhere struct{}

func (nowhere) Program(string) error        { return os.ErrNotExist }
func (nowhere) Directory(ldap.Config) error { return os.ErrNotExist }
func (nowhere) File(string) error           { return os.ErrNotExist }
func (nowhere) Policy(casbin.Config) error  { return os.ErrNotExist }
func (nowhere) Certificate(string, string) ([]string, error) {
	return nil, os.ErrNotExist
}

// load has package configs read a result, as `regate check` does.
func load(t testing.TB, result Result) *configs.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "regate.yaml")
	if err := os.WriteFile(path, result.YAML, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := configs.Load(path)
	if err != nil {
		t.Fatalf("the result is refused: %v\n%s", err, result.YAML)
	}
	return file
}

// A pair is a configuration of docker_auth's and what became of it.
type pair struct {
	source []byte
	old    oldConfig
	result Result
	file   *configs.File
	rules  *acl.List
	index  []int // in the source, by the rule
}

func newPair(t testing.TB, source string) pair {
	t.Helper()
	p := pair{source: []byte(source)}
	var err error
	if p.result, err = Convert("auth.yml", p.source, nowhere{}); err != nil {
		t.Fatalf("Convert() = %v\n%s", err, source)
	}
	p.file = load(t, p.result)
	if p.rules, err = acl.Compile(p.file.Auth.ACL); err != nil {
		t.Fatal(err)
	}
	if p.old, err = readOld(p.source); err != nil {
		return p // there is nothing to compare with
	}
	for i := range p.old.ACL {
		if !p.said(i, "it is left out") {
			p.index = append(p.index, i)
		}
	}
	if len(p.index) != len(p.file.Auth.ACL) {
		t.Fatalf("%d rules, want %d\n%s\n%s", len(p.file.Auth.ACL), len(p.index), source, p.result.YAML)
	}
	return p
}

// said reports whether a finding about a rule has one of the texts.
func (p pair) said(rule int, texts ...string) bool {
	path := indexPath("acl", rule)
	return slices.ContainsFunc(p.result.Report, func(f Finding) bool {
		about := f.Path == path || strings.HasPrefix(f.Path, path+".")
		return about && slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(f.Msg, s) })
	})
}

// excuses are what the report says of a rule that decides otherwise than it
// did, and about which questions that may be. That a rule is dangerous here as
// there is no excuse.
var excuses = []struct {
	said  string
	about func(oldAsk) bool
}{
	{"refuses here until", func(oldAsk) bool { return true }},
	{"as was probably meant", func(oldAsk) bool { return true }},
	{"docker_auth takes * and the like in it for wildcards", func(a oldAsk) bool {
		return strings.ContainsAny(a.fields["account"]+a.fields["name"], `*?[\.+`)
	}},
	{"docker_auth takes them for parts of it", func(a oldAsk) bool {
		return slices.ContainsFunc(slices.Concat(slices.Collect(maps.Values(a.labels))...), func(v string) bool {
			return v == "" || regexp.QuoteMeta(v) != v
		})
	}},
	{`"*" beside other actions is left out`, func(a oldAsk) bool { return a.fields["type"] == oci.Registry }},
}

// excused reports whether a rule may decide otherwise than it did.
func (p pair) excused(rule int, a oldAsk) bool {
	labels := problem.Key("users", a.fields["account"]) + ".labels"
	for _, f := range p.result.Report {
		for label := range a.labels {
			if f.Kind == Changed && f.Path == problem.Key(labels, label) && p.mentions(rule, label) {
				return true
			}
		}
	}
	for _, e := range excuses {
		if p.said(rule, e.said) && e.about(a) {
			return true
		}
	}
	return false
}

// mentions reports whether a rule has a variable for a label.
func (p pair) mentions(rule int, label string) bool {
	return slices.ContainsFunc(p.old.ACL[rule].Match.patterns(), func(s *string) bool {
		return s != nil && strings.Contains(*s, "${labels:"+label+"}")
	})
}

// decide is what the gate would.
func (p pair) decide(a oldAsk) (rule int, granted []string) {
	id := authn.Identity{Account: a.fields["account"], Labels: make(authn.Labels)}
	for name, values := range p.file.Auth.Users[id.Account].Labels {
		for _, v := range values {
			id.Labels[name] = append(id.Labels[name], authn.Label{Value: v, Pattern: true})
		}
	}
	want := oci.Access{Type: a.fields["type"], Name: a.fields["name"]}
	for _, name := range a.actions {
		act, _ := oci.ParseAction(name)
		want.Actions |= act
	}
	from, _ := netip.AddrFromSlice(a.ip)
	e := p.rules.Explain(acl.Ask{Identity: id, From: from.Unmap(), Service: a.fields["service"], Want: want})
	if e.Rule < 0 {
		return len(p.old.ACL), nil
	}
	return p.index[e.Rule], e.Granted.Actions.Names()
}

// compare fails if the two decide differently at a rule of which the report
// does not say so.
func (p pair) compare(t testing.TB, a oldAsk) (differs bool) {
	t.Helper()
	before, had := p.old.decide(a)
	after, has := p.decide(a)
	slices.Sort(had)
	if before == after && slices.Equal(had, has) {
		return false
	}
	where := min(before, after)
	if p.excused(where, a) {
		if closed := p.said(where, "refuses here until"); closed && len(has) > 0 && after == where {
			t.Errorf("a rule that refuses grants %v of %v\n%s", has, a, p.source)
		}
		return true
	}
	t.Errorf("asked %v from %v with %v for %v:\nbefore acl[%d] %v, after acl[%d] %v\n%s\n%s\n%v",
		a.fields, a.ip, a.labels, a.actions, before, had, after, has, p.source, p.result.YAML, p.result.Report)
	return true
}

// TestDecisionsStay compares what docker_auth decides with what the gate does,
// over rules and questions that are made of few words and often meet.
func TestDecisionsStay(t *testing.T) {
	lists, asks := 1000, 40
	if testing.Short() {
		lists = 300
	}
	var compared, granted, excused int
	for seed := range lists {
		r := random{rand.New(rand.NewPCG(uint64(seed), 7))}
		p := newPair(t, r.config())
		if p.index == nil {
			continue // docker_auth does not start
		}
		for range asks {
			a := r.ask(p)
			compared++
			if p.compare(t, a) {
				excused++
			}
			if _, has := p.decide(a); len(has) > 0 {
				granted++
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("compared %d, of which %d granted something and %d differ where the report says so", compared, granted, excused)
	if compared < lists*asks/2 || granted < compared/10 || excused > compared/4 {
		t.Error("the questions say too little")
	}
}

// TestEveryPattern has every pattern for names beside some for accounts, and
// asks for every name as every account.
func TestEveryPattern(t *testing.T) {
	r := random{rand.New(rand.NewPCG(1, 1))}
	for _, account := range []string{"/.*/", "bob", "/^(.+)@(.+)$/", "/^(bob|al)$/", "/(a)(b)?/"} {
		for _, name := range namePatterns {
			p := newPair(t, fmt.Sprintf("%sacl: [{match: {account: %q, name: %q}, actions: [pull]}, {match: {}, actions: [push]}]", people, account, name))
			if p.index == nil {
				continue
			}
			for _, who := range accounts {
				for _, what := range names {
					a := r.ask(p)
					a.fields["account"], a.fields["name"], a.fields["type"] = who, what, "repository"
					a.actions, a.labels = []string{"pull", "push"}, p.old.Users[who].Labels
					p.compare(t, a)
				}
			}
		}
	}
}

const people = `users:
  "": {}
  bob: {labels: {group: [team, foo], tier: [b]}}
  al: {labels: {group: [], tier: [b, a]}}
  a@team.io: {}
  "*@team.io": {}
  al@dev: {labels: {group: [team, "t*"]}}
  x.y: {labels: {o.k: [o.k]}}
  bob+1: {}
  1e3: {}
  "[a": {}
`

// TestAlwaysLoads: whatever a list of rules is, the gate takes what becomes of
// it, also what docker_auth does not start with.
func TestAlwaysLoads(t *testing.T) {
	for _, rules := range []string{
		"[~]", "[[]]", "[x]", "[{}]", "[{match: }]", "[{match: {}, actions: x}]", "[{match: {account: [x]}, actions: []}]", "x", "~", "[{match: x, actions: []}]",
		"[{match: {account: /(/}, actions: [pull]}]", "[{match: {ip: x}, actions: [pull]}]", "[{match: {labels: x}, actions: [pull]}]",
		`[{match: {labels: {"": x, "${env:X}": y}}, actions: [pull], comment: "${env:X}"}]`, "[{match: {account: !!binary eA==}, actions: [pull]}]",
		"[{match: {team: [x]}, actions: [pull]}]", "[{match: {labels: {a: ~}}, actions: [pull], comment: [x], other: 1}]",
	} {
		p := newPair(t, "acl: "+rules)
		for _, a := range []string{"", "bob"} {
			ask := oldAsk{fields: map[string]string{"account": a, "type": "repository", "name": "team/app", "service": "registry"}, actions: []string{"pull"}}
			if _, has := func() (int, []string) {
				p.index = make([]int, len(p.file.Auth.ACL))
				return p.decide(ask)
			}(); len(has) > 0 {
				t.Errorf("%s grants %v", rules, has)
			}
		}
	}
}

// TestForeign is about files of others.
func TestForeign(t *testing.T) {
	for _, source := range []string{"", "# nothing", "version: 0.1\nstorage: {}", "{}"} {
		if _, err := Convert("x", []byte(source), nowhere{}); !errors.Is(err, ErrForeign) {
			t.Errorf("Convert(%q) = %v", source, err)
		}
	}
}
