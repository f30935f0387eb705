package configs

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/problem"
)

// sample has a field of each kind that a Config may have.
type sample struct {
	Name    string              `yaml:"name"`
	On      bool                `yaml:"on"`
	Count   int                 `yaml:"count"`
	Small   int8                `yaml:"small"`
	Wait    time.Duration       `yaml:"wait"`
	Limit   *int                `yaml:"limit"`
	Nets    []netip.Prefix      `yaml:"nets"`
	Labels  map[string][]string `yaml:"labels"`
	Users   map[string]user     `yaml:"users"`
	Auth    mode                `yaml:"auth"`
	Life    seconds             `yaml:"life"`
	Key     authn.Secret        `yaml:"key"`
	Part    *part               `yaml:"part"`
	Shared  shared              `yaml:",inline"`
	Derived string              `yaml:"-"`
	problem []problem.Problem
}

type user struct {
	Hash string `yaml:"password"`
}

type part struct {
	Rules []part         `yaml:"rules"`
	Keys  []authn.Secret `yaml:"keys"`
	Of    string         `yaml:"of"`
}

type shared struct {
	Region string `yaml:"region"`
}

// mode takes a word as well as a mapping.
type mode struct {
	Mode  string `yaml:"mode"`
	Realm string `yaml:"realm"`
}

func (m *mode) UnmarshalText(text []byte) error {
	if len(text) > 10 {
		return errors.New("no such mode")
	}
	*m = mode{Mode: string(text)}
	return nil
}

// seconds takes a plain number.
type seconds time.Duration

func (s *seconds) UnmarshalText(text []byte) error {
	var n int
	if _, err := fmt.Sscanf(string(text), "%d", &n); err != nil {
		return errors.New("expected seconds")
	}
	*s = seconds(time.Duration(n) * time.Second)
	return nil
}

func (s *sample) Validate() error { return problem.List(s.problem).Err() }

func noEnv(string) (string, bool) { return "", false }

func ptr[T any](v T) *T { return &v }

var readTests = []struct {
	name string
	file string
	want sample
}{
	{"empty", "", sample{}},
	{"only a comment", "# nothing\n---\n", sample{}},
	{"text, also where it looks like a number", "name: 0042", sample{Name: "0042"}},
	{"text over lines", "name: >-\n  a\n  b\n", sample{Name: "a b"}},
	{"numbers", "{on: true, count: -3, small: 127, wait: 1m30s, limit: 0}",
		sample{On: true, Count: -3, Small: 127, Wait: 90 * time.Second, Limit: ptr(0)}},
	{"lists and mappings", "nets: [10.0.0.0/8]\nlabels: {team: [a, b], none: []}",
		sample{Nets: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
			Labels: map[string][]string{"team": {"a", "b"}, "none": {}}}},
	{"the empty key", "users: {\"\": {}, 12: {password: x}, null1: {}}",
		sample{Users: map[string]user{"": {}, "12": {"x"}, "null1": {}}}},
	{"a word for a mapping", "auth: none\nlife: 900", sample{Auth: mode{Mode: "none"}, Life: seconds(15 * time.Minute)}},
	{"the mapping itself", "auth: {mode: basic, realm: r}", sample{Auth: mode{"basic", "r"}}},
	{"inline", "region: eu", sample{Shared: shared{"eu"}}},
	{"alias", "name: &n x\nregion: *n", sample{Name: "x", Shared: shared{"x"}}},
	{"merge", "users:\n  a: &a {password: x}\n  b: {<<: *a}\n  c: {<<: [*a], password: y}",
		sample{Users: map[string]user{"a": {"x"}, "b": {"x"}, "c": {"y"}}}},
	{"the first merge wins", "labels: {a: [1]}\npart:\n  rules:\n  - &a {of: a}\n  - &b {of: b}\n  - <<: [*a, *b]",
		sample{Labels: map[string][]string{"a": {"1"}},
			Part: &part{Rules: []part{{Of: "a"}, {Of: "b"}, {Of: "a"}}}}},
	{"no substitution", "name: \"$HOME ${account} ${labels:x} $2y$05$ab ${env-x}\"\nkey: \"$2y${account}\"",
		sample{Name: "$HOME ${account} ${labels:x} $2y$05$ab ${env-x}", Key: "$2y${account}"}},
}

func TestRead(t *testing.T) {
	for _, tt := range readTests {
		t.Run(tt.name, func(t *testing.T) {
			var got sample
			wrong, warnings := read([]byte(tt.file), &got, noEnv)
			if len(wrong)+len(warnings) > 0 {
				t.Fatalf("read(%q) = %v, %v", tt.file, wrong, warnings)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("read(%q) gave %+v, want %+v", tt.file, got, tt.want)
			}
		})
	}
}

var mistakeTests = []struct {
	name string
	file string
	want string // line: path: message, one a line
}{
	{"misspelt", "name: a\nlables: {}", "2: lables: unknown key; did you mean labels?"},
	{"swapped letters", "cuont: 1", "1: cuont: unknown key; did you mean count?"},
	{"written otherwise", "part: {Rules: []}", "1: part.Rules: unknown key; did you mean rules?"},
	{"the beginning", "labe: 1", "1: labe: unknown key; did you mean labels?"},
	{"nothing like it", "part:\n  zebra: 1", "2: part.zebra: unknown key; here can be rules, keys, of"},
	{"docker_auth's team", "team: a", "1: team: unknown key; use labels: {teams: …}"},
	{"twice", "name: a\non: true\nname: b", "3: name: given twice, first in line 1"},
	{"twice in a flow", "users: {a: {}, 'a': {}}", "1: users.a: given twice, first in line 1"},
	{"no value", "name:\nusers:\n  a:\n",
		"1: name: has no value; expected text, or leave the key out\n3: users.a: has no value; expected a mapping such as {key: value}, or leave the key out"},
	{"no key", "users: {~: {}}", `1: users: a key is missing before the colon; write "" if it is the empty one`},
	{"key is a list", "users: {[a]: {}}", "1: users: a key must be plain text"},
	{"text wanted", "name: [a]", "1: name: expected text, got a list"},
	{"true is no text", "name: true", `1: name: expected text, got "true"`},
	{"tag", "name: !vault x", `1: name: expected text, got "x"`},
	{"binary", "name: !!binary eA==", `1: name: expected text, got "eA=="`},
	{"yes or no", "on: yes", `1: on: expected true or false, got "yes"`},
	{"quoted", "on: 'true'", `1: on: expected true or false, got the text "true"`},
	{"number", "count: 1.5", `1: count: expected a whole number, got "1.5"`},
	{"large number", "small: 128", `1: small: expected a whole number, got "128"`},
	{"days", "wait: 365d", "1: wait: days are written in hours: 8760h"},
	{"weeks", "wait: 2w", "1: wait: days are written in hours: 336h"},
	{"duration", "wait: 5", `1: wait: expected a duration such as 30s, got "5"`},
	{"pointer", "limit: {}", "1: limit: expected a whole number, got a mapping"},
	{"list", "nets: 10.0.0.0/8", "1: nets: expected a list such as [a, b], got a single value"},
	{"item", "nets:\n- 10.0.0.0/8\n- [x]", "3: nets[1]: expected a single value, got a list"},
	{"item's own words", "nets: [10]", `1: nets[0]: netip.ParsePrefix("10"): no '/'`},
	{"word or mapping", "auth: []\nlife: {}", "1: auth: expected a word or a mapping, got a list\n2: life: expected a single value, got a mapping"},
	{"type's own words", "auth: something-else", "1: auth: no such mode"},
	{"odd keys in paths", "users:\n  \"a.b\": x\n  \"\": x",
		"2: users[\"a.b\"]: expected a mapping such as {key: value}, got a single value\n3: users[\"\"]: expected a mapping such as {key: value}, got a single value"},
	{"environment elsewhere", "name: ${env:HOME}\nwait: \"${env:T}\"\nusers: {\"${env:A}\": {}}",
		"1: name: " + envElsewhere + "\n2: wait: " + envElsewhere + "\n3: users[\"${env:A}\"]: " + envElsewhere},
	{"environment in part", "key: x${env:A}", "1: key: ${env:NAME} must be the whole value, and NAME a variable's name"},
	{"environment without a name", "key: ${env:}", "1: key: ${env:NAME} must be the whole value, and NAME a variable's name"},
	{"environment unset", "name: a\nkey: ${env:A}", "2: key: the environment variable A is not set"},
	{"not a mapping", "- a", `1: expected a mapping such as "tls: {…}", got a list`},
	{"two documents", "name: a\n---\nname: b", "2: a second document begins here, and a configuration is one"},
	{"syntax", "name: a\nusers:\n  a: b: c", "3: a \": \" where no key can be: it is the second one in its line (quote a value that has one), or the line is indented too far, or the one before it has none"},
	{"syntax, counted from nought", "name: a\nlabels: [b\non: true", "2: a list that [ begins has no ] or lacks a comma; it begins here, or just before"},
	{"syntax in the first line", "a: [}", "1: a value is missing here, or begins with a character that must be quoted"},
	{"a key without its colon", "name: a\nusers\n", `2: a key without ": ", or with no space behind the colon; or text that is not below its key`},
	{"uneven keys", "name: \"a\" b", "1: the keys of this mapping are not indented alike; or a quoted value goes on behind its quote"},
	{"a tab", "users:\n\ta: b", "2: a value begins with a character that must be quoted, such as @, ` or %; or a line with a tab"},
	{"an open quote", "name: \"a\n", "2: a quote that is not closed"},
	{"an escape that is none", `name: "\d"`, `1: a \ in double quotes begins an escape, and this is none; use single quotes`},
	{"a bracket too many", "{name: a}}", "1: this is not indented like the first line, or a bracket before it is one too many"},
	{"what we have no words for", "name: !x!y z", "1: cannot be read as YAML: found undefined tag handle"},
	{"control character", "name: a\non: \x01", "2: not a text in UTF-8, or one with control characters"},
	{"latin-1", "name: a\nregion: \xe9", "2: not a text in UTF-8, or one with control characters"},
	{"circle", "users: &u\n  a: *u", "2: users.a: the anchor contains itself\n2: users.a: expected a mapping such as {key: value}, got a single value"},
	{"merge of a word", "users: {a: {<<: x}}", "1: users.a: << takes a mapping or a list of mappings, got a single value"},
	{"all at once, in order", "zebra: 1\npart:\n  rules:\n  - of: a\n  - off: b\non: 1\nlabels: {a: b}",
		"1: zebra: unknown key; here can be name, on, count, small, wait, limit, nets, labels, users, auth, life, key, part, region\n" +
			"5: part.rules[1].off: unknown key; did you mean of?\n" +
			"6: on: expected true or false, got \"1\"\n" +
			"7: labels.a: expected a list such as [a, b], got a single value"},
}

func TestMistakes(t *testing.T) {
	for _, tt := range mistakeTests {
		t.Run(tt.name, func(t *testing.T) {
			wrong, _ := read([]byte(tt.file), new(sample), noEnv)
			if got := said(wrong); got != tt.want {
				t.Errorf("read(%q) =\n%s\nwant\n%s", tt.file, got, tt.want)
			}
		})
	}
}

// said writes mistakes without the name of a file.
func said(list []Mistake) string {
	return strings.ReplaceAll("\n"+strings.Join(Lines("", list), "\n"), "\n:", "\n")[1:]
}

func TestSecretFromEnvironment(t *testing.T) {
	env := func(name string) (string, bool) { return "v-" + name, name != "EMPTY_" }
	var got sample
	wrong, _ := read([]byte("key: ${env:A_1}\npart: {keys: [\"${env:b}\", plain]}"), &got, env)
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	all := []string{got.Key.Reveal(), got.Part.Keys[0].Reveal(), got.Part.Keys[1].Reveal()}
	if want := []string{"v-A_1", "v-b", "plain"}; !reflect.DeepEqual(all, want) {
		t.Errorf("secrets are %q, want %q", all, want)
	}
	empty := func(string) (string, bool) { return "", true }
	if wrong, _ = read([]byte("key: ${env:A}"), &got, empty); said(wrong) != "1: key: the environment variable A is empty" {
		t.Errorf("an empty variable: %s", said(wrong))
	}
}

// A secret in the wrong place, or of a wrong kind, is not printed with the mistake.
func TestSecretIsNotInMistakes(t *testing.T) {
	for _, file := range []string{
		"key: [hunter2]", "key: {a: hunter2}", "key: {hunter2: a}", "key: {hunter2}", "key: !hunter2 hunter2", "key: !!bool hunter2",
		"key: hunter2${env:A}", "key: ${env:hunter2", "key: *hunter2", "key: 'hunter2", "key: a: hunter2", "key: &hunter2",
		"part: {keys: hunter2}", "key: @hunter2", "key: %hunter2", "key: |hunter2\n x", "key: hunter2\nkey: hunter2",
	} {
		wrong, _ := read([]byte(file), new(sample), noEnv)
		if len(wrong) == 0 || strings.Contains(said(wrong), "hunter2") {
			t.Errorf("read(%q) says %q", file, said(wrong))
		}
	}
}

func TestValidationGetsLines(t *testing.T) {
	file := "name: a\nusers:\n  a.b:\n    password: x\n  \"\":\n    password: y\npart:\n  rules:\n  - of: z\n  - rules: []\n    of: y\nonn: true\n"
	s := sample{problem: []problem.Problem{
		{Path: "part.rules[1].of", Msg: "late"},
		{Path: "part.rules[1].keys[0]", Msg: "absent key"},
		{Path: "part.rules[7]", Msg: "absent item"},
		{Path: "users.a.b.password", Msg: "dots"},
		{Path: `users["a.b"].password`, Msg: "brackets"},
		{Path: `users[""].password`, Msg: "empty key"},
		{Path: "users..password", Msg: "empty key again"},
		{Path: "region", Msg: "absent"},
		{Path: "on", Msg: "said already under its wrong name"},
		{Path: "name", Msg: "odd", Warning: true},
	}}
	wrong, warnings := read([]byte(file), &s, noEnv)
	want := "1: region: absent\n" +
		"4: users.a.b.password: dots\n4: users[\"a.b\"].password: brackets\n" +
		"6: users[\"\"].password: empty key\n6: users..password: empty key again\n" +
		"8: part.rules[7]: absent item\n10: part.rules[1].keys[0]: absent key\n11: part.rules[1].of: late\n" +
		"12: onn: unknown key; did you mean on?"
	if got := said(wrong); got != want {
		t.Errorf("mistakes are\n%s\nwant\n%s", got, want)
	}
	if got := said(warnings); got != "1: name: odd" {
		t.Errorf("warnings are %q", got)
	}
}

// A few lines of aliases or merges must not become more than memory holds.
func TestBombs(t *testing.T) {
	merges := "users:\n  a0: &a0 {}\n"
	aliases := "part:\n  rules:\n  - &r0 {rules: [{of: x}]}\n"
	for i := range 2000 {
		merges += fmt.Sprintf("  a%d: &a%d {<<: *a%d, k%d: x}\n", i+1, i+1, i, i)
		aliases += fmt.Sprintf("  - &r%d {rules: [*r%d, *r%d]}\n", i+1, i, i)
	}
	list := "part:\n  keys: &k [" + strings.Repeat("{},", 5000) + "]\n  rules:\n" + strings.Repeat("  - <<: *k\n", 5000)
	for name, bomb := range map[string]string{"merges": merges, "aliases": aliases, "list of merges": list} {
		wrong, _ := read([]byte(bomb), new(sample), noEnv)
		if !strings.Contains(said(wrong), "repeat more than 200000 values") {
			t.Errorf("%s: %.200s", name, said(wrong))
		}
	}
}

func TestMistakesEnd(t *testing.T) {
	wrong, _ := read([]byte(strings.Repeat("a b: 1\n", 5000)), new(sample), noEnv)
	if len(wrong) != maxMistakes+1 || wrong[maxMistakes].Msg != "more mistakes follow; these come first" {
		t.Errorf("%d mistakes, the last is %v", len(wrong), wrong[len(wrong)-1])
	}
}

func FuzzRead(f *testing.F) {
	for _, tt := range readTests {
		f.Add(tt.file)
	}
	for _, tt := range mistakeTests {
		f.Add(tt.file)
	}
	f.Add("\r&")
	f.Add("\"\"0")
	f.Fuzz(func(t *testing.T, file string) {
		s := sample{problem: []problem.Problem{{Path: "part.rules[3].of[", Msg: "x"}}}
		wrong, _ := read([]byte(file), &s, noEnv)
		lines := 1
		for _, r := range file {
			if strings.ContainsRune("\r\n\u0085\u2028\u2029", r) { // YAML 1.1, 4.2
				lines++
			}
		}
		for i, m := range wrong {
			if m.Line < 1 || m.Line > lines {
				t.Errorf("%v is in line %d of %d", m, m.Line, lines)
			}
			if i > 0 && m.Line < wrong[i-1].Line && i < maxMistakes {
				t.Errorf("%v comes after line %d", m, wrong[i-1].Line)
			}
		}
	})
}
