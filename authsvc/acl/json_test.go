package acl

import (
	"reflect"
	"strings"
	"testing"
)

var parseJSONTests = []struct {
	name, data string
	want       Rule
	wantErr    string
}{
	{"all of it", `{"match":{"account":"a","type":"t","name":"n","service":"s","ip":"::1","labels":{"Team":"x*"}},"actions":["pull","push"],"comment":"c"}`,
		Rule{&Match{ptr("a"), ptr("t"), ptr("n"), ptr("s"), ptr("::1"), map[string]string{"Team": "x*"}}, []string{"pull", "push"}, "c"}, ""},
	{"as docker_auth writes it", `{"Match":{"account":""},"Actions":["*"],"Comment":null}`, Rule{Match: &Match{Account: ptr("")}, Actions: []string{"*"}}, ""},
	{"refusal for everybody", `{"match":{},"actions":[]}`, Rule{Match: &Match{}, Actions: []string{}}, ""},
	{"left to Compile", `{}`, Rule{}, ""},

	{"misspelt condition", `{"match":{"acount":"a"},"actions":["*"]}`, Rule{}, `match: unknown field "acount"`},
	{"team", `{"match":{"team":"a"},"actions":["*"]}`, Rule{}, `match: unknown field "team"`},
	{"misspelt key", `{"mach":{},"actions":["*"]}`, Rule{}, `unknown field "mach"`},
	{"condition is null", `{"match":{"account":null},"actions":["*"]}`, Rule{}, "match.account is null"},
	{"labels are null", `{"match":{"labels":null},"actions":["*"]}`, Rule{}, "match.labels is null"},
	{"label is null", `{"match":{"labels":{"x":null}},"actions":["*"]}`, Rule{}, "match.labels.x is null"},
	{"match is null", `{"match":null,"actions":["*"]}`, Rule{}, "no JSON object"},
	{"match is a list", `{"match":[],"actions":["*"]}`, Rule{}, "match: no JSON object"},
	{"action is null", `{"match":{},"actions":[null]}`, Rule{}, "actions[0] is null"},
	{"actions are text", `{"match":{},"actions":"*"}`, Rule{}, "cannot unmarshal"},
	{"number", `{"match":{"account":1},"actions":[]}`, Rule{}, "match: cannot unmarshal"},
	{"twice", `{"match":{"account":"root"},"actions":[],"match":{}}`, Rule{}, `the key "match" is there twice`},
	{"twice, in another way", `{"match":{"account":"root","Account":"x"},"actions":[]}`, Rule{}, `match: the key "account" is there twice`},
	{"twice, in an odd way", `{"match":{"service":"x","ſervice":"*"},"actions":[]}`, Rule{}, `match: the key "service" is there twice`},
	{"twice a label", `{"match":{"labels":{"team":"web","team":"*"}},"actions":[]}`, Rule{}, `match.labels: the key "team" is there twice`},
	{"twice a label, escaped", `{"match":{"labels":{"team":"web","te\u0061m":"*"}},"actions":[]}`, Rule{}, `match.labels: the key "team" is there twice`},
	{"two labels", `{"match":{"labels":{"team":"web","Team":"*"}},"actions":[]}`, Rule{Match: &Match{Labels: map[string]string{"team": "web", "Team": "*"}}, Actions: []string{}}, ""},
	{"labels are a list", `{"match":{"labels":["team"]},"actions":[]}`, Rule{}, "match.labels: no JSON object"},
	{"no labels", `{"match":{"labels":{}},"actions":[]}`, Rule{Match: &Match{}, Actions: []string{}}, ""},
	{"more than one", `{"match":{},"actions":[]} {}`, Rule{}, "malformed JSON"},
	{"cut", `{"match":{},"actions":[`, Rule{}, "malformed JSON"},
	{"null", `null`, Rule{}, "no JSON object"},
	{"nothing", ``, Rule{}, "no JSON object"},
}

func TestParseJSON(t *testing.T) {
	for _, tt := range parseJSONTests {
		got, err := ParseJSON([]byte(tt.data))
		switch {
		case tt.wantErr == "" && err != nil:
			t.Errorf("%s: ParseJSON(%s) = %v", tt.name, tt.data, err)
		case tt.wantErr == "" && !reflect.DeepEqual(got, tt.want):
			t.Errorf("%s: ParseJSON(%s) = %v, want %v", tt.name, tt.data, got, tt.want)
		case tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)):
			t.Errorf("%s: ParseJSON(%s) = %v, %v; want error %q", tt.name, tt.data, got, err, tt.wantErr)
		}
	}
}

// FuzzParseJSON: what is read compiles, or is refused, and a condition is never
// lost: a rule that matches everything was written so.
func FuzzParseJSON(f *testing.F) {
	for _, tt := range parseJSONTests {
		f.Add(tt.data)
	}
	f.Fuzz(func(t *testing.T, data string) {
		r, err := ParseJSON([]byte(data))
		if err != nil || r.Match == nil || !r.Match.everything() {
			return
		}
		if flat := strings.Join(strings.Fields(data), ""); !strings.Contains(strings.ToLower(flat), `{}`) {
			t.Errorf("ParseJSON(%s) matches everything", data)
		}
		_, _ = Compile(Config{r})
	})
}
